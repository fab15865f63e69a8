"""The stopping rule: which trials go on from a rung to the next.

Asynchronous successive halving in its stopping form (Li et al. 2020, arXiv 1810.05934): a trial goes on when it stands
among the best 1 / factor of all that the study has seen at its rung. A rung says too little of large architectures,
which gain more from the next; so results are compared as they are expected to stand after it (nas/search/rungs/gains.py).

A rank forgets how noisy a rung is, and stops in a field of good trials what may be the best of all. So with one
objective a trial also goes on when its chance to end as the best is above 1 / factor, which is any trial's to go on.

A decision is a pure function of the results recorded before it. Nothing of it depends on a clock, and anybody can take
it again from the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nas.records.fitness import crowding_distances, non_dominated_ranks
from nas.search.objectives import Metric
from nas.search.rungs.gains import Gains
from nas.search.rungs.results import Result


@dataclass(frozen=True)
class StoppingRule:
    """How many of a rung go on."""

    num_rungs: int
    factor: float
    """One in so many goes on, the best."""
    metrics: tuple[Metric, ...]

    def stops(self, result: Result, before: Sequence[Result]) -> str | None:
        """Why the trial ends at this rung; None when it goes on, or is at the top.

        `before`: all results that the study had recorded before this one. Trials that were found over a limit stand in
        nobody's way.
        """
        if result.rung == self.num_rungs - 1:
            return None
        infeasible = {one.number for one in before if not one.is_feasible}
        before = [one for one in before if one.number not in infeasible]
        peers = [*(one for one in before if one.rung == result.rung), result]
        gains = Gains(before, self.metrics)
        place = _place_of_last(gains.at_next(peers))
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
        expected, spread = gains.at_rung([result], top), gains.spread(result.rung, top)
        if len(self.metrics) > 1 or expected is None or spread is None:
            return 0.0
        best = min(one.values[0] for one in before if one.rung == top)
        if spread[0] == 0:
            return float(expected[0, 0] < best)
        return NormalDist(float(expected[0, 0]), spread[0]).cdf(best)


def _place_of_last(values: NDArray[np.float64]) -> int:
    """How many of these, trials x objectives, stand before the last: by front, within its own by crowding distance, of
    equals whoever came first.
    """
    ranks: NDArray[np.int64] = np.array(non_dominated_ranks(values))
    front = values[ranks == ranks[-1]]
    crowding = np.array(crowding_distances(front)) if values.shape[1] > 1 else np.zeros(len(front))
    return int((ranks < ranks[-1]).sum() + (crowding[:-1] >= crowding[-1]).sum())
