"""Variance of a score between architectures and between seeds.

A architectures, S seeds: scores are (A, S), lower is better.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.scaling_law.forecast import spearman

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """How a score varies over architectures and seeds."""

    mean: float
    between: float
    """Standard deviation between architectures without that of the seeds; 0 where chance explains all of it."""
    seed: float
    """Standard deviation between seeds of one architecture, pooled over all."""
    rank_correlation: float
    """Spearman's rank correlation between two seeds, the mean over all pairs of seeds."""
    gap: float
    """Distance from the median architecture to the best one, by means over seeds, in seed standard deviations."""

    @property
    def share(self) -> float:
        """Share of the variance of one trial that is due to the architecture: the intraclass correlation."""
        total = self.between**2 + self.seed**2
        return self.between**2 / total if total else 0.0


def signal_of(scores: Scores) -> Signal:
    """Return the variance components of a one-way layout (Fisher 1925), and what follows from them."""
    num_seeds = scores.shape[1]
    means = scores.mean(axis=1)
    within = float(scores.var(axis=1, ddof=1).mean())
    between = max(0.0, float(means.var(ddof=1)) - within / num_seeds)
    pairs = itertools.combinations(range(num_seeds), 2)
    correlations = [spearman(scores[:, first], scores[:, second]) for first, second in pairs]
    gap = float(np.median(means) - means.min())
    return Signal(
        mean=float(scores.mean()),
        between=between**0.5,
        seed=within**0.5,
        rank_correlation=float(np.mean(correlations)),
        gap=gap / within**0.5 if within else float("inf"),
    )


def paired_error(differences: Scores) -> float:
    """Return the standard deviation of the error of a score on a part of the text, between two architectures.

    `differences`: (A, P), the score on each of P parts minus the score on the whole. What all architectures have in
    common, such as a part that is harder for all of them, changes no ranking and is subtracted.
    """
    own = differences - differences.mean(axis=0, keepdims=True)
    num = len(differences)
    return float(np.sqrt((own**2).mean() * num / (num - 1)))
