"""What can stand on an axis or in a filter: the figures of a trial by name, with the words for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nas.records.study import Measured, Metrics, TrialRecord
from nas.report.parts.scores import at_last_rung


@dataclass(frozen=True)
class Measure:
    """A figure of a judged trial; lower is better in all of them."""

    name: str
    label: str
    of: Callable[[TrialRecord], float | None]
    scale: str = "linear"


def _judged(name: str) -> Callable[[TrialRecord], float | None]:
    def of(record: TrialRecord) -> float | None:
        found: Metrics | None = record.validation
        return None if found is None else getattr(found, name)

    return of


def _measured(name: str) -> Callable[[TrialRecord], float | None]:
    def of(record: TrialRecord) -> float | None:
        found: Measured | None = record.measured
        return None if found is None else getattr(found, name)

    return of


MEASURES = (
    Measure("val_bpb", "validation bits per byte", lambda one: one.val_bpb),
    Measure("val_novel_bpb", "bits per byte on novel lines", lambda one: one.val_novel_bpb),
    Measure("collapse_rate", "collapse rate (share of completions)", lambda one: one.collapse_rate),
    Measure("sampled_collapse_rate", "collapse rate, sampled", _judged("sampled_collapse_rate")),
    Measure("greedy_collapse_rate", "collapse rate, greedy", _judged("greedy_collapse_rate")),
    Measure("fitness", "fitness (bits per byte)", lambda one: one.fitness),
    Measure("num_params", "parameters", lambda one: float(one.architecture.num_params), "log"),
    Measure("non_embedding_params", "parameters without embeddings", lambda one: _non_embedding(one), "log"),
    Measure("train_flops_per_token", "training FLOPs a token", lambda one: _flops(one), "log"),
    Measure("total_seconds", "seconds a trial", _measured("total_seconds")),
    Measure("decode_ms_per_token", "milliseconds a decoded token", _measured("decode_ms_per_token")),
    Measure("peak_memory_bytes", "peak memory (bytes)", _measured("peak_memory_bytes")),
)


def measures_of(record: TrialRecord) -> dict[str, float | None]:
    """By name, as it was last judged; None for what is not known."""
    judged = at_last_rung(record)
    return {one.name: None if judged is None else one.of(judged) for one in MEASURES}


def _non_embedding(record: TrialRecord) -> float:
    return float(record.architecture.non_embedding_params)


def _flops(record: TrialRecord) -> float:
    return float(record.architecture.train_flops_per_token())
