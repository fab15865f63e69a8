"""Predict how much a trial gains from rung to rung, from the trials that were promoted.

At a low rung, small architectures look better than they are: large ones have hardly been trained there and gain more
later. The gain to the next rung is predicted by a straight line over the logarithm of a token's FLOPs, fitted by ridge
regression. With few trials the line is nearly their mean gain, the same for all, which does not change a ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.objectives import Metric
from nas.search.rungs.results import Result

_RIDGE = 2.0
"""Penalty in squared natural logarithms: as much as three trials whose sizes are a factor of e apart contribute."""
_MIN_ERRORS = 4
"""Number of errors from which a standard deviation is estimated; the line has two degrees of freedom."""


@dataclass(frozen=True)
class _Line:
    mean_size: float
    mean_gain: float
    slope: float

    def gain(self, size: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean_gain + self.slope * (size - self.mean_size)


class Gains:
    """Lines fitted to the gains at each rung, one for each objective."""

    def __init__(self, recorded: Iterable[Result], metrics: Sequence[Metric]) -> None:
        by_trial: dict[int, dict[int, Result]] = defaultdict(dict)
        for result in recorded:
            by_trial[result.number][result.rung] = result
        pairs: dict[int, list[tuple[Result, Result]]] = defaultdict(list)
        for by_rung in by_trial.values():
            for rung, result in by_rung.items():
                if rung + 1 in by_rung:
                    pairs[rung].append((result, by_rung[rung + 1]))
        self._metrics = metrics
        self._by_trial = by_trial
        self._lines = {
            rung: [_fit(rung_pairs, index) for index in range(len(metrics))] for rung, rung_pairs in pairs.items()
        }

    def predict_next(self, results: Sequence[Result]) -> NDArray[np.float64]:
        """Return values (results, objectives) predicted at the next rung for results of one rung.

        They are the values at this rung while no trial has been promoted from it.
        """
        predicted = self.predict(results, results[0].rung + 1)
        return _values(results) if predicted is None else predicted

    def predict(self, results: Sequence[Result], rung: int) -> NDArray[np.float64] | None:
        """Return values (results, objectives) predicted at `rung` for results of one rung, which is not above it.

        None while a rung on the way has no promoted trial to learn from.
        """
        values, sizes = _values(results), np.array([result.log_flops_per_token for result in results])
        for step in range(results[0].rung, rung):
            if step not in self._lines:
                return None
            for index, (line, metric) in enumerate(zip(self._lines[step], self._metrics, strict=True)):
                if metric.is_trained:
                    values[:, index] -= line.gain(sizes)
        return values

    def prediction_error(self, rung: int, target: int) -> tuple[float, ...] | None:
        """Return for each objective the standard deviation of values at rung `target` about predictions from `rung`.

        None with fewer than four trials that reached both rungs.
        """
        reached = [by_rung for by_rung in self._by_trial.values() if rung in by_rung and target in by_rung]
        if len(reached) < _MIN_ERRORS:
            return None
        predicted = self.predict([by_rung[rung] for by_rung in reached], target)
        if predicted is None:
            return None
        errors = _values([by_rung[target] for by_rung in reached]) - predicted
        return tuple(map(float, errors.std(axis=0, ddof=2)))


def _values(results: Sequence[Result]) -> NDArray[np.float64]:
    return np.array([result.values for result in results], dtype=float)


def _fit(pairs: Sequence[tuple[Result, Result]], index: int) -> _Line:
    sizes = np.array([low.log_flops_per_token for low, _ in pairs])
    gains = np.array([low.values[index] - high.values[index] for low, high in pairs])
    centred = sizes - sizes.mean()
    slope = float(centred @ (gains - gains.mean()) / (centred @ centred + _RIDGE))
    return _Line(float(sizes.mean()), float(gains.mean()), slope)
