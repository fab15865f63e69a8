"""The stopping rule: decide which trials are promoted from a rung to the next.

Asynchronous successive halving in its stopping form (Li et al. 2020, arXiv 1810.05934): a trial is promoted when it
ranks among the best 1 / factor of all results that the study has at its rung. A low rung underrates large
architectures, which gain more at the next; so values predicted at the next rung are ranked (nas/search/rungs/gains.py).

A rank ignores how noisy a rung is, and among many good trials it may stop the best one. So with one objective, a trial
is also promoted when its probability to end as the best exceeds 1 / factor, the share of trials that is promoted.

A decision is a pure function of the results recorded before it. It does not depend on a clock, and can be repeated from
the records.
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
    """Promotes the best 1 / factor of a rung."""

    num_rungs: int
    factor: float
    metrics: tuple[Metric, ...]

    def stop_reason(self, result: Result, previous: Sequence[Result]) -> str | None:
        """Return why the trial is stopped at this rung; None when it is promoted, or is at the top.

        `previous` are all results that the study recorded before this one. Trials that exceeded a limit do not affect
        which others are promoted.
        """
        if result.rung == self.num_rungs - 1:
            return None
        infeasible = {other.number for other in previous if not other.is_feasible}
        previous = [other for other in previous if other.number not in infeasible]
        peers = [*(other for other in previous if other.rung == result.rung), result]
        gains = Gains(previous, self.metrics)
        num_better = _num_better_than_last(gains.predict_next(peers))
        num_promoted = max(1, int(len(peers) / self.factor))
        if num_better < num_promoted or self._best_probability(result, previous, gains) > 1 / self.factor:
            return None
        rank = f"rank {num_better + 1} of {len(peers)}, ranks up to {num_promoted} are promoted"
        return f"stopped at rung {result.rung + 1} of {self.num_rungs}: {rank}"

    def _best_probability(self, result: Result, previous: Sequence[Result], gains: Gains) -> float:
        """Return the probability that the trial will beat all that reached the top.

        It follows from the value predicted for it there and the errors of such predictions. It is 0 with several
        objectives, and while too few trials have reached the top to estimate the errors.
        """
        top = self.num_rungs - 1
        predicted, error = gains.predict([result], top), gains.prediction_error(result.rung, top)
        if len(self.metrics) > 1 or predicted is None or error is None:
            return 0.0
        best = min(other.values[0] for other in previous if other.rung == top)
        if error[0] == 0:
            return float(predicted[0, 0] < best)
        return NormalDist(float(predicted[0, 0]), error[0]).cdf(best)


def _num_better_than_last(values: NDArray[np.float64]) -> int:
    """Return how many rows of values (trials, objectives) rank before the last row.

    Rows are ranked by front, within a front by crowding distance, and equal rows by their order.
    """
    ranks: NDArray[np.int64] = np.array(non_dominated_ranks(values))
    front = values[ranks == ranks[-1]]
    crowding = np.array(crowding_distances(front)) if values.shape[1] > 1 else np.zeros(len(front))
    return int((ranks < ranks[-1]).sum() + (crowding[:-1] >= crowding[-1]).sum())
