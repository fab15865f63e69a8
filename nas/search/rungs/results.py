"""Results of rungs as the stopping rule and the samplers need them: plain numbers in the order of their recording."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nas.records.trial import RungResult, TrialRecord
from nas.search.objectives import Metric
from nas.search.rungs.feasibility import is_feasible
from nas.space.search_space import SearchSpace


@dataclass(frozen=True)
class Result:
    """One trial at one rung."""

    number: int
    rung: int
    order: int
    """Position in the study's sequence of recorded rungs."""
    values: tuple[float, ...]
    """One value for each objective, all minimised."""
    log_flops_per_token: float
    """Natural logarithm of a token's training FLOPs: the size of the architecture."""
    spent_flops: float = 0.0
    is_feasible: bool = True
    """False when the trial exceeded a measured limit at this rung."""


def rung_result(record: TrialRecord, rung: RungResult, metrics: Sequence[Metric], space: SearchSpace) -> Result:
    """Return the result of one of a record's rungs."""
    return Result(
        number=record.number,
        rung=rung.rung,
        order=rung.order,
        values=tuple(metric.of_rung(record, rung) for metric in metrics),
        log_flops_per_token=math.log(record.architecture.train_flops_per_token()),
        spent_flops=rung.spent_flops,
        is_feasible=rung.rung < record.rungs[-1].rung or is_feasible(record, space),
    )


def recorded_results(records: Iterable[TrialRecord], metrics: Sequence[Metric], space: SearchSpace) -> list[Result]:
    """Return all results of these trials in the order in which they were recorded."""
    results = [rung_result(record, rung, metrics, space) for record in records for rung in record.rungs]
    return sorted(results, key=lambda result: result.order)
