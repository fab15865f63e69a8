"""Comparison of inputs, with tests of whether completions of the same prompts differ by more than chance."""

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
    """Prompts after which only the first input's completion has collapsed."""
    only_other: int
    collapse_p: float | None
    """P-value of McNemar's exact test on these two counts; None where nothing could be paired."""
    repetition_difference: float | None
    """Mean of the other's repetition ratio minus the first's."""
    repetition_p: float | None
    """P-value of that difference, by random flips of its signs."""
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
    """The first input against each other one."""


def comparison_tables(inputs: Mapping[str, Sequence[QualityEvaluation]]) -> list[Table]:
    """Return one table for each protocol that an input has, with the first input compared against all others.

    Completions of an unknown protocol appear in every table: whoever compares them with a protocol knows why.
    """
    present = {evaluation.report.protocol for evaluations in inputs.values() for evaluation in evaluations}
    protocols: list[str | None] = [name for name in PROTOCOLS if name in present]
    return [_table(inputs, protocol) for protocol in protocols or [None]]


def _table(inputs: Mapping[str, Sequence[QualityEvaluation]], protocol: str | None) -> Table:
    rows = {name: _under_protocol(evaluations, protocol) for name, evaluations in inputs.items()}
    qualities = {name: () if row is None else row.qualities for name, row in rows.items()}
    first, *others = rows
    comparisons = [compare(qualities[first], qualities[other], (first, other), protocol) for other in others]
    return Table(protocol, tuple(row for row in rows.values() if row is not None), tuple(comparisons))


def _under_protocol(evaluations: Sequence[QualityEvaluation], protocol: str | None) -> QualityEvaluation | None:
    return next((evaluation for evaluation in evaluations if evaluation.report.protocol in (protocol, None)), None)


def compare(
    first: Sequence[CompletionQuality],
    other: Sequence[CompletionQuality],
    names: tuple[str, str],
    protocol: str | None = None,
) -> Comparison:
    """Compare two inputs on the completions that can be paired, the others are left out.

    Completions are paired by the prompt's text where all of them have one, else by index.
    """
    if not first or not other:
        return _not_paired(names, protocol, f"{names[1] if first else names[0]} has no completions of this protocol")
    if all(quality.completion.prompt is not None for quality in (*first, *other)):
        pairs = _pairs(_by_prompt(first), _by_prompt(other))
        reason = "no prompt in common"
    else:
        pairs = _pairs(_by_index(first), _by_index(other))
        reason = "prompts are missing, and indices are missing, repeated or not in common"
    if not pairs:
        return _not_paired(names, protocol, reason)
    only_first = sum(left.rule is not None and right.rule is None for left, right in pairs)
    only_other = sum(left.rule is None and right.rule is not None for left, right in pairs)
    differences = [right.repetition - left.repetition for left, right in pairs]
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


def _not_paired(names: tuple[str, str], protocol: str | None, reason: str) -> Comparison:
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
    return [(quality, other[key]) for key, quality in first.items() if key in other]


def _by_prompt(qualities: Sequence[CompletionQuality]) -> Mapping[tuple[str, int], CompletionQuality]:
    """Key completions by prompt and, for a repeated prompt, by the number of earlier occurrences."""
    occurrences: Counter[str] = Counter()
    keyed = {}
    for quality in qualities:
        prompt = quality.completion.prompt or ""
        keyed[prompt, occurrences[prompt]] = quality
        occurrences[prompt] += 1
    return keyed


def _by_index(qualities: Sequence[CompletionQuality]) -> Mapping[int, CompletionQuality]:
    """Key completions by index; empty where an index is missing or repeated."""
    keyed = {quality.completion.index: quality for quality in qualities if quality.completion.index is not None}
    return keyed if len(keyed) == len(qualities) else {}
