"""Inputs side by side, and for two sets of completions of the same prompts: do they differ by more than chance?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.evaluation import QualityEvaluation
from nas.evaluate.quality.protocols import PROTOCOLS
from nas.evaluate.quality.statistics import mcnemar_p, paired_p


class Comparison(BaseModel):
    """The first input against another, prompt by prompt, under one protocol."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first: str
    other: str
    protocol: str | None
    num_pairs: int
    only_first: int
    """Prompts after which only the first one's completion has collapsed."""
    only_other: int
    collapse_p: float | None
    """McNemar's exact test of the two; None where nothing could be paired."""
    repetition_difference: float | None
    """Mean of the other's repetition ratio less the first's."""
    repetition_p: float | None
    """Of that difference, by random flips of its signs."""
    not_paired: str | None
    """Why nothing could be paired; None where it could."""


_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Table:
    """All inputs under one protocol."""

    protocol: str | None
    rows: tuple[QualityEvaluation, ...]
    """Inputs without completions of the protocol are left out."""
    comparisons: tuple[Comparison, ...]
    """Of the first input against each other one."""


def side_by_side(inputs: Mapping[str, Sequence[QualityEvaluation]]) -> list[Table]:
    """A table for each protocol that an input has, the first input compared with all others.

    Completions of no protocol of ours stand in every table: whoever sets them beside a protocol knows why.
    """
    found = {one.report.protocol for evaluations in inputs.values() for one in evaluations}
    protocols: list[str | None] = [name for name in PROTOCOLS if name in found]
    tables = []
    for protocol in protocols or [None]:
        rows = {name: _under(evaluations, protocol) for name, evaluations in inputs.items()}
        first, *others = rows
        compared = [compare(_judged(rows[first]), _judged(rows[one]), (first, one), protocol) for one in others]
        tables.append(Table(protocol, tuple(one for one in rows.values() if one is not None), tuple(compared)))
    return tables


def _under(evaluations: Sequence[QualityEvaluation], protocol: str | None) -> QualityEvaluation | None:
    return next((one for one in evaluations if one.report.protocol in (protocol, None)), None)


def _judged(evaluation: QualityEvaluation | None) -> Sequence[CompletionQuality]:
    return () if evaluation is None else evaluation.judged


def compare(
    first: Sequence[CompletionQuality],
    other: Sequence[CompletionQuality],
    names: tuple[str, str],
    protocol: str | None = None,
) -> Comparison:
    """Pair by the prompt's text where every completion tells its prompt, else by index; unpaired ones are left out."""
    if not first or not other:
        return not_paired(names, protocol, f"{names[0] if not first else names[1]} has no completions of this protocol")
    if all(one.completion.prompt is not None for one in (*first, *other)):
        pairs = _pairs(_by_prompt(first), _by_prompt(other))
        missing = "no prompt in common"
    else:
        pairs = _pairs(_by_index(first), _by_index(other))
        missing = "prompts are not told, and no index is in common, or one is missing or stands twice"
    if not pairs:
        return not_paired(names, protocol, missing)
    only_first = sum(one.rule is not None and two.rule is None for one, two in pairs)
    only_other = sum(one.rule is None and two.rule is not None for one, two in pairs)
    differences = [two.repetition - one.repetition for one, two in pairs]
    return Comparison(
        first=names[0],
        other=names[1],
        protocol=protocol,
        num_pairs=len(pairs),
        only_first=only_first,
        only_other=only_other,
        collapse_p=mcnemar_p(only_first, only_other),
        repetition_difference=sum(differences) / len(pairs),
        repetition_p=paired_p(differences),
        not_paired=None,
    )


def not_paired(names: tuple[str, str], protocol: str | None, reason: str) -> Comparison:
    return Comparison(
        first=names[0],
        other=names[1],
        protocol=protocol,
        num_pairs=0,
        only_first=0,
        only_other=0,
        collapse_p=None,
        repetition_difference=None,
        repetition_p=None,
        not_paired=reason,
    )


def _pairs(
    first: Mapping[_Key, CompletionQuality], other: Mapping[_Key, CompletionQuality]
) -> list[tuple[CompletionQuality, CompletionQuality]]:
    return [(one, other[key]) for key, one in first.items() if key in other]


def _by_prompt(judged: Sequence[CompletionQuality]) -> Mapping[tuple[str, int], CompletionQuality]:
    """A prompt that stands more than once is paired in the order in which it stands."""
    seen: Counter[str] = Counter()
    keyed = {}
    for one in judged:
        prompt = one.completion.prompt or ""
        keyed[prompt, seen[prompt]] = one
        seen[prompt] += 1
    return keyed


def _by_index(judged: Sequence[CompletionQuality]) -> Mapping[int, CompletionQuality]:
    """Empty where an index is missing or stands twice."""
    keyed = {one.completion.index: one for one in judged if one.completion.index is not None}
    return keyed if len(keyed) == len(judged) else {}
