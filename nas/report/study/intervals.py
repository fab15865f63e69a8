"""How surely a figure is known: 95% intervals of a finalist's means, and what another seed would change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from nas.records.fitness import fitness
from nas.records.study import HoldoutResult, Metrics

LEVEL = 0.95


@dataclass(frozen=True)
class SeedNoise:
    """The spread of one architecture over seeds, pooled over the finalists: a one-way analysis of variance."""

    sd: float
    freedom: int

    def half_width(self, num_seeds: int) -> float:
        """Of the interval of a mean of so many seeds, by Student's t."""
        return float(stdtrit(self.freedom, 0.5 + LEVEL / 2)) * self.sd / math.sqrt(num_seeds)


def seed_noise(results: Sequence[HoldoutResult], of: Callable[[Metrics], float]) -> SeedNoise | None:
    """None where no finalist was trained with two seeds."""
    by_number: dict[int, list[float]] = {}
    for one in results:
        if one.metrics is not None:
            by_number.setdefault(one.number, []).append(of(one.metrics))
    freedom = sum(len(values) - 1 for values in by_number.values())
    if not freedom:
        return None
    squares = sum(float(((np.array(values) - np.mean(values)) ** 2).sum()) for values in by_number.values())
    return SeedNoise(math.sqrt(squares / freedom), freedom)


def fitness_noise(results: Sequence[HoldoutResult], collapse_weight: float) -> SeedNoise | None:
    return seed_noise(results, lambda one: fitness(one.bpb, one.collapse_rate, collapse_weight))


def share_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95% interval (1927) of a share measured on `count` cases."""
    from scipy.stats import binomtest

    interval = binomtest(round(share * count), count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
