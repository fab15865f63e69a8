"""The objectives that a search minimises: one number per trial, or several."""

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
    """Whether it depends on training; the costs of an architecture are known before."""
    reruns_differ: bool = False
    """Whether it is measured by the clock or the machine."""

    def of(self, record: TrialRecord) -> float:
        """Return the figure of a trial at its last rung."""
        return self.of_rung(record, record.rungs[-1])


def _measured(name: str) -> Callable[[TrialRecord, RungResult], float]:
    def of_rung(record: TrialRecord, rung: RungResult) -> float:
        assert record.measured is not None, "run_study refuses objectives that it does not measure"
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
METRICS = {metric.name: metric for metric in _ALL}
DEFAULT_OBJECTIVES = ("fitness",)


def front_in(records: Iterable[TrialRecord], metrics: Sequence[Metric]) -> list[TrialRecord]:
    """Return the COMPLETE trials that no other dominates in these metrics, best fitness first."""
    ranked = completed(records)
    points = [[metric.of(record) for metric in metrics] for record in ranked]
    return [ranked[index] for index in pareto_front(points)]


def metrics_of(names: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics of `--objectives`; UsageError for an unknown or repeated name, or if none needs training."""
    for name in names:
        if name not in METRICS:
            raise UsageError(unknown_name("objective", name, METRICS))
    if len(set(names)) < len(names):
        raise UsageError(f"an objective is repeated in '{','.join(names)}'; name each once")
    metrics = tuple(METRICS[name] for name in names)
    if not any(metric.is_trained and not metric.reruns_differ for metric in metrics):
        trained = ", ".join(metric.name for metric in _ALL if metric.is_trained and not metric.reruns_differ)
        raise UsageError(f"'{','.join(names)}' can be minimised without training; add one of: {trained}")
    return metrics
