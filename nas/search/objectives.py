"""What a search minimises: one number a trial, or several that Optuna keeps apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nas.errors import UsageError, unknown_name
from nas.records.fitness import pareto_front
from nas.records.trial import RungResult, TrialRecord, completed


@dataclass(frozen=True)
class Metric:
    """A figure of a trial at a rung; lower is better."""

    name: str
    of_rung: Callable[[TrialRecord, RungResult], float]
    is_trained: bool = True
    """Whether training changes it. What an architecture costs is known before."""
    reruns_differ: bool = False
    """Whether a clock or a machine decides it."""

    def of(self, record: TrialRecord) -> float:
        """Of a trial at its last rung."""
        return self.of_rung(record, record.rungs[-1])


def _measured(name: str) -> Callable[[TrialRecord, RungResult], float]:
    def of_rung(record: TrialRecord, rung: RungResult) -> float:
        assert record.measured is not None, "the study refuses objectives that its trials do not measure"
        return float(getattr(record.measured, name))

    return of_rung


_ALL = (
    Metric("fitness", lambda record, rung: rung.fitness),
    Metric("val_bpb", lambda record, rung: rung.val_bpb),
    Metric("collapse_rate", lambda record, rung: rung.collapse_rate),
    Metric("num_params", lambda record, rung: float(record.architecture.num_params), is_trained=False),
    Metric(
        "non_embedding_params",
        lambda record, rung: float(record.architecture.non_embedding_params),
        is_trained=False,
    ),
    Metric(
        "train_flops_per_token",
        lambda record, rung: float(record.architecture.train_flops_per_token()),
        is_trained=False,
    ),
    Metric(
        "forward_flops_per_token",
        lambda record, rung: float(record.architecture.forward_flops_per_token()),
        is_trained=False,
    ),
    Metric("decode_ms_per_token", _measured("decode_ms_per_token"), reruns_differ=True),
    Metric("peak_memory_bytes", _measured("peak_memory_bytes"), reruns_differ=True),
)
METRICS = {one.name: one for one in _ALL}
DEFAULT_OBJECTIVES = ("fitness",)


def front_in(records: Iterable[TrialRecord], metrics: Sequence[Metric]) -> list[TrialRecord]:
    """The COMPLETE trials that no other beats in all metrics, best fitness first."""
    ranked = completed(records)
    points = [[one.of(record) for one in metrics] for record in ranked]
    return [ranked[index] for index in pareto_front(points)]


def metrics_of(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of `--objectives`; UsageError for an unknown or repeated name, or where none needs training."""
    for name in names:
        if name not in METRICS:
            raise UsageError(unknown_name("objective", name, METRICS))
    if len(set(names)) < len(names):
        raise UsageError(f"an objective stands twice in '{','.join(names)}'; name each once")
    found = tuple(METRICS[name] for name in names)
    if not any(one.is_trained and not one.reruns_differ for one in found):
        known = ", ".join(one.name for one in _ALL if one.is_trained and not one.reruns_differ)
        raise UsageError(f"'{','.join(names)}' needs no training to be minimised; add one of: {known}")
    return found
