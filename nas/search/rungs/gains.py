"""What a trial is expected to gain from rung to rung, learned from the trials that went on.

Ranked by what they score at a low rung, small architectures look better than they are: large ones have hardly been
trained there and gain more. The gain to the next rung is a straight line over the logarithm of a token's FLOPs,
by ridge regression: with few trials it is their mean, the same for all, which leaves a ranking as it is.
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
"""Squared natural logarithms: three trials whose sizes differ by e either way have as much of a say."""
_MIN_ERRORS = 4
"""Of which a spread is taken: a line has two degrees of freedom."""


@dataclass(frozen=True)
class _Line:
    mean_size: float
    mean_gain: float
    slope: float

    def gain(self, size: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean_gain + self.slope * (size - self.mean_size)


class Gains:
    """The expected gains at each rung and in each objective."""

    def __init__(self, recorded: Iterable[Result], metrics: Sequence[Metric]) -> None:
        by_trial: dict[int, dict[int, Result]] = defaultdict(dict)
        for one in recorded:
            by_trial[one.number][one.rung] = one
        pairs: dict[int, list[tuple[Result, Result]]] = defaultdict(list)
        for trial in by_trial.values():
            for rung, result in trial.items():
                if rung + 1 in trial:
                    pairs[rung].append((result, trial[rung + 1]))
        self._metrics = metrics
        self._by_trial = by_trial
        self._lines = {rung: [_fit(found, index) for index in range(len(metrics))] for rung, found in pairs.items()}

    def at_next(self, results: Sequence[Result]) -> NDArray[np.float64]:
        """The values, results x objectives, that results of one rung are expected to have at the next; those that they
        have where no trial has gone on yet.
        """
        rung = results[0].rung
        expected = self.at_rung(results, rung + 1)
        return _values(results) if expected is None else expected

    def at_rung(self, results: Sequence[Result], rung: int) -> NDArray[np.float64] | None:
        """The values, results x objectives, that results of one rung are expected to have at `rung`, which is not below
        it; None where no trial has come so far.
        """
        values, sizes = _values(results), np.array([one.log_flops_per_token for one in results])
        for step in range(results[0].rung, rung):
            if step not in self._lines:
                return None
            for index, (line, metric) in enumerate(zip(self._lines[step], self._metrics, strict=True)):
                if metric.is_trained:
                    values[:, index] -= line.gain(sizes)
        return values

    def spread(self, rung: int, above: int) -> tuple[float, ...] | None:
        """The standard deviation of each objective at rung `above` about what is expected of it at `rung`, over the
        trials that came to both; None of fewer than four.
        """
        came = [one for one in self._by_trial.values() if rung in one and above in one]
        expected = self.at_rung([one[rung] for one in came], above) if len(came) >= _MIN_ERRORS else None
        if expected is None:
            return None
        errors = _values([one[above] for one in came]) - expected
        return tuple(float(one) for one in errors.std(axis=0, ddof=2))


def _values(results: Sequence[Result]) -> NDArray[np.float64]:
    return np.array([one.values for one in results], dtype=float)


def _fit(pairs: Sequence[tuple[Result, Result]], index: int) -> _Line:
    sizes = np.array([low.log_flops_per_token for low, _ in pairs])
    gains = np.array([low.values[index] - high.values[index] for low, high in pairs])
    centred = sizes - sizes.mean()
    slope = float(centred @ (gains - gains.mean()) / (centred @ centred + _RIDGE))
    return _Line(float(sizes.mean()), float(gains.mean()), slope)
