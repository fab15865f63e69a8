"""How surely a figure is known: 95% intervals of a finalist's means, and how much another seed changes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from nas.records.fitness import fitness
from nas.records.study import HoldoutResult
from nas.records.trial import Metrics

LEVEL = 0.95


@dataclass(frozen=True)
class SeedNoise:
    """The spread of one architecture over seeds, pooled over the finalists: a one-way analysis of variance."""

    sd: float
    freedom: int

    def half_width(self, num_seeds: int) -> float:
        """Return half the interval of a mean over so many seeds, by Student's t."""
        return float(stdtrit(self.freedom, 0.5 + LEVEL / 2)) * self.sd / math.sqrt(num_seeds)


def seed_noise(results: Sequence[HoldoutResult], figure: Callable[[Metrics], float]) -> SeedNoise | None:
    """Return the noise of a figure of the metrics; None if no finalist was trained with two seeds."""
    by_number: dict[int, list[float]] = {}
    for result in results:
        if result.metrics is not None:
            by_number.setdefault(result.number, []).append(figure(result.metrics))
    freedom = sum(len(values) - 1 for values in by_number.values())
    if not freedom:
        return None
    squares = sum(float(((np.array(values) - np.mean(values)) ** 2).sum()) for values in by_number.values())
    return SeedNoise(math.sqrt(squares / freedom), freedom)


def fitness_noise(results: Sequence[HoldoutResult], collapse_weight: float) -> SeedNoise | None:
    return seed_noise(results, lambda metrics: fitness(metrics.bpb, metrics.collapse_rate, collapse_weight))


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's interval (1927) of a share that was found in `count` cases."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * count), count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def max_half_width(count: int) -> float:
    """Return half the 95% interval of a share near one half, the widest, by the normal approximation."""
    return 1.96 * 0.5 / math.sqrt(count)
