"""The quality of an input, a checkpoint or a file of completions, under each protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.errors import UsageError
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion, read_completions
from nas.evaluate.quality.prompts import Prompt
from nas.evaluate.quality.protocols import (
    PROTOCOLS,
    Protocol,
    generate_completions,
    prompts_that_fit,
    protocol_name,
)
from nas.evaluate.quality.report import QualityReport, quality_report
from nas.inference.completion_stream import first_stop
from nas.inference.language_model import LanguageModel


@dataclass(frozen=True)
class QualityEvaluation:
    """One input under one protocol: the report, and the completions that it counts."""

    report: QualityReport
    qualities: tuple[CompletionQuality, ...]


def evaluate_model(
    model: LanguageModel, path: Path, prompts: Sequence[Prompt], protocols: Sequence[str]
) -> Iterator[QualityEvaluation]:
    """Yield the evaluation of a model under each protocol, as soon as it is done."""
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
    """Evaluate a model under any protocol on the prompts that fit; a completion ends before the first of `stops`."""
    fitting = prompts_that_fit(model, prompts)
    generated = generate_completions(model, fitting, protocol, f"{checkpoint_name(path)}-{protocol.name}", seed)
    completions = [_before_stop(completion, stops) for completion in generated.completions]
    qualities = tuple(map(CompletionQuality.measure, completions))
    report = quality_report(
        qualities,
        str(path),
        protocol.name if protocol.name in PROTOCOLS else None,
        num_params=model.model.config.num_params,
        vocab_size=model.vocabulary.size,
        left_out=len(prompts) - len(fitting),
        cut_short=generated.num_cut_short,
    )
    return QualityEvaluation(report, qualities)


def evaluate_file(path: Path, protocols: Sequence[str] | None) -> list[QualityEvaluation]:
    """Evaluate the completions of a file: by protocol where each names one of PROTOCOLS, else all together.

    `protocols` selects among the protocols of such a file, and UsageError is raised when it has none of them; None
    selects all.
    """
    completions = read_completions(path)
    groups: dict[str | None, list[Completion]] = {}
    for completion in completions:
        groups.setdefault(protocol_name(completion), []).append(completion)
    if None in groups:
        groups = {None: completions}
    elif protocols is not None:
        groups = {name: groups[name] for name in protocols if name in groups}
    if not groups:
        raise UsageError(f"{path} has no completions of protocol {' or '.join(protocols or ())} (by their 'mode')")
    ordered = sorted(groups, key=[*PROTOCOLS, None].index)
    return [_evaluate_group(groups[name], path, name) for name in ordered]


def checkpoint_name(path: Path) -> str:
    """Return the name of the checkpoint's folder; for a weights file in it, both names."""
    resolved = path.expanduser().resolve()
    return resolved.name if resolved.is_dir() else f"{resolved.parent.name}-{resolved.stem}"


def _evaluate_group(completions: Sequence[Completion], path: Path, protocol: str | None) -> QualityEvaluation:
    qualities = tuple(map(CompletionQuality.measure, completions))
    return QualityEvaluation(quality_report(qualities, str(path), protocol), qualities)


def _before_stop(completion: Completion, stops: Sequence[str]) -> Completion:
    end = first_stop(completion.completion, stops)
    if end is None:
        return completion
    return completion.model_copy(update={"completion": completion.completion[:end], "ended": False})
