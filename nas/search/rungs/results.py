"""The results of rungs as the stopping rule and the sampler see them: plain numbers in the order they came."""

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
    values: tuple[float, ...]
    """One an objective, all minimised."""
    log_flops_per_token: float
    """The natural logarithm of a token's training FLOPs: how large the architecture is."""
    spent_flops: float = 0.0
    is_feasible: bool = True
    """False where the trial was found over a measured limit here."""


def result_of(record: TrialRecord, rung: RungResult, metrics: Sequence[Metric], space: SearchSpace) -> Result:
    return Result(
        number=record.number,
        rung=rung.rung,
        order=rung.order,
        values=tuple(one.of_rung(record, rung) for one in metrics),
        log_flops_per_token=math.log(record.architecture.train_flops_per_token()),
        spent_flops=rung.spent_flops,
        is_feasible=rung.rung < record.rungs[-1].rung or is_feasible(record, space),
    )


def results_of(records: Iterable[TrialRecord], metrics: Sequence[Metric], space: SearchSpace) -> list[Result]:
    """All results of these trials in the order they were recorded in."""
    found = [result_of(record, rung, metrics, space) for record in records for rung in record.rungs]
    return sorted(found, key=lambda one: one.order)
