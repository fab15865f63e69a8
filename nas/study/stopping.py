"""The stopping rule: which trials go on from a rung to the next.

Asynchronous successive halving in its stopping form (Li et al. 2020, arXiv 1810.05934): a trial goes on when it stands
among the best 1 / factor of all that the study has seen at its rung. A rung says too little of large architectures,
which gain more from the next; so results are compared as they are expected to stand after it (nas/study/gains.py).

A rank forgets how noisy a rung is, and stops in a field of good trials what may be the best of all. So with one
objective a trial also goes on when its chance to end as the best is above 1 / factor, which is any trial's to go on.

A decision is a pure function of the results recorded before it. Nothing of it depends on a clock, and anybody can take
it again from the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from nas.fitness import crowding_distances, non_dominated_ranks
from nas.study.gains import Gains
from nas.study.objectives import Metric
from nas.study.results import Result


@dataclass(frozen=True)
class StoppingRule:
    """How many of a rung go on."""

    num_rungs: int
    factor: float
    """One in so many goes on, the best."""
    metrics: tuple[Metric, ...]

    def stops(self, result: Result, before: Sequence[Result]) -> str | None:
        """Why the trial ends at this rung; None when it goes on, or is at the top.

        `before`: all results that the study had recorded before this one.
        """
        if result.rung == self.num_rungs - 1:
            return None
        peers = [*(one for one in before if one.rung == result.rung), result]
        gains = Gains(before, self.metrics)
        place = _place_of_last([gains.at_next(one) for one in peers])
        allowed = max(1, int(len(peers) / self.factor))
        if place < allowed or self._chance_of_best(result, before, gains) > 1 / self.factor:
            return None
        where = f"rung {result.rung + 1} of {self.num_rungs}"
        return f"stopped at {where}: place {place + 1} of {len(peers)}, where the first {allowed} go on"

    def _chance_of_best(self, result: Result, before: Sequence[Result], gains: Gains) -> float:
        """That the trial will beat all that came to the top, by what is expected of it there and how such expectations
        erred; 0 with several objectives, and while too few have come there to tell.
        """
        top = self.num_rungs - 1
        expected, spread = gains.at_rung(result, top), gains.spread(result.rung, top)
        if len(self.metrics) > 1 or expected is None or spread is None:
            return 0.0
        best = min(one.values[0] for one in before if one.rung == top)
        if spread[0] == 0:
            return float(expected[0] < best)
        return NormalDist(expected[0], spread[0]).cdf(best)


def _place_of_last(values: Sequence[Sequence[float]]) -> int:
    """How many stand before the last: by front, within its own by crowding distance, of equals whoever came first."""
    ranks = non_dominated_ranks(values)
    front = [value for value, rank in zip(values, ranks, strict=True) if rank == ranks[-1]]
    crowding = crowding_distances(front) if len(values[-1]) > 1 else [0.0] * len(front)
    return sum(rank < ranks[-1] for rank in ranks) + sum(one >= crowding[-1] for one in crowding[:-1])
