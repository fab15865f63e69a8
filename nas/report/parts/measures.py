"""The figures of a trial that an axis of the Pareto chart or the filter of the table can use, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from nas.records.trial import TrialRecord
from nas.report.parts.scores import at_last_rung


@dataclass(frozen=True)
class Measure:
    """A figure of an evaluated trial; lower is better in all of them."""

    name: str
    label: str
    value: Callable[[TrialRecord], float | None]
    """Returns the figure, or None where it is unknown."""
    scale: str = "linear"
    """The type of a plotly axis."""


def _on_validation(name: str) -> Callable[[TrialRecord], float | None]:
    return lambda record: None if record.validation is None else getattr(record.validation, name)


def _measured(name: str) -> Callable[[TrialRecord], float | None]:
    return lambda record: None if record.measured is None else getattr(record.measured, name)


MEASURES = (
    Measure("val_bpb", "validation bits per byte", attrgetter("val_bpb")),
    Measure("val_novel_bpb", "bits per byte on novel lines", attrgetter("val_novel_bpb")),
    Measure("collapse_rate", "collapse rate (share of completions)", attrgetter("collapse_rate")),
    Measure("sampled_collapse_rate", "collapse rate, sampled", _on_validation("sampled_collapse_rate")),
    Measure("greedy_collapse_rate", "collapse rate, greedy", _on_validation("greedy_collapse_rate")),
    Measure("fitness", "fitness (bits per byte)", attrgetter("fitness")),
    Measure("num_params", "parameters", lambda record: float(record.architecture.num_params), "log"),
    Measure(
        "non_embedding_params",
        "parameters without embeddings",
        lambda record: float(record.architecture.non_embedding_params),
        "log",
    ),
    Measure(
        "train_flops_per_token",
        "training FLOPs per token",
        lambda record: float(record.architecture.train_flops_per_token()),
        "log",
    ),
    Measure("total_seconds", "seconds per trial", _measured("total_seconds")),
    Measure("decode_ms_per_token", "milliseconds per decoded token", _measured("decode_ms_per_token")),
    Measure("peak_memory_bytes", "peak memory (bytes)", _measured("peak_memory_bytes")),
)


def measures_of(record: TrialRecord) -> dict[str, float | None]:
    """Return the figures of a trial at its last rung by name; None for an unknown one."""
    evaluated = at_last_rung(record)
    return {measure.name: None if evaluated is None else measure.value(evaluated) for measure in MEASURES}
