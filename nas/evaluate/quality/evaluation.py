"""From an input, a checkpoint or a file of completions, to what is said of it under each protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.errors import UsageError
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion, read_completions
from nas.evaluate.quality.prompts import Prompt
from nas.evaluate.quality.protocols import PROTOCOLS, Protocol, prompts_that_fit, protocol_of, write
from nas.evaluate.quality.report import QualityReport, report
from nas.inference.completion_stream import first_stop
from nas.inference.language_model import LanguageModel


@dataclass(frozen=True)
class QualityEvaluation:
    """One input under one protocol."""

    report: QualityReport
    judged: tuple[CompletionQuality, ...]


def evaluate_model(
    model: LanguageModel, path: Path, prompts: Sequence[Prompt], protocols: Sequence[str]
) -> Iterator[QualityEvaluation]:
    """Each protocol in turn, as it is done."""
    for name in protocols:
        yield evaluate_protocol(model, path, prompts, PROTOCOLS[name])


def evaluate_protocol(
    model: LanguageModel,
    path: Path,
    prompts: Sequence[Prompt],
    protocol: Protocol,
    *,
    seed: int = 0,
    stops: Sequence[str] = (),
) -> QualityEvaluation:
    """Under any protocol, on the prompts that fit; a completion is judged up to the first of `stops`."""
    fitting = prompts_that_fit(model, prompts)
    written = write(model, fitting, protocol, f"{checkpoint_name(path)}-{protocol.name}", seed)
    judged = tuple(CompletionQuality.of(_before_stop(one, stops)) for one in written.completions)
    facts = {
        "num_params": model.model.config.num_params,
        "vocab_size": model.vocabulary.size,
        "left_out": len(prompts) - len(fitting),
        "cut_short": written.num_cut_short,
    }
    name = protocol.name if protocol.name in PROTOCOLS else None
    return QualityEvaluation(report(judged, str(path), name, **facts), judged)


def evaluate_file(path: Path, protocols: Sequence[str] | None) -> list[QualityEvaluation]:
    """The completions of a file: each protocol's apart where all are of one of ours, else all together.

    `protocols` picks from the former, and UsageError is raised when none of them is in it; None picks all.
    """
    completions = read_completions(path)
    groups: dict[str | None, list[Completion]] = {}
    for one in completions:
        groups.setdefault(protocol_of(one), []).append(one)
    if None in groups:
        groups = {None: completions}
    elif protocols is not None:
        groups = {name: groups[name] for name in protocols if name in groups}
    if not groups:
        raise UsageError(f"{path} has no completions of protocol {' or '.join(protocols or ())} (by their 'mode')")
    ordered = sorted(groups, key=[*PROTOCOLS, None].index)
    return [_evaluated(groups[name], path, name) for name in ordered]


def checkpoint_name(path: Path) -> str:
    """The folder's name; for a weights file in it, both names."""
    resolved = path.expanduser().resolve()
    return resolved.name if resolved.is_dir() else f"{resolved.parent.name}-{resolved.stem}"


def _evaluated(completions: Sequence[Completion], path: Path, protocol: str | None) -> QualityEvaluation:
    judged = tuple(CompletionQuality.of(one) for one in completions)
    return QualityEvaluation(report(judged, str(path), protocol), judged)


def _before_stop(one: Completion, stops: Sequence[str]) -> Completion:
    place = first_stop(one.completion, stops)
    changed = {"completion": one.completion[:place], "ended": False}
    return one if place is None else one.model_copy(update=changed)
