"""How much of a figure is the architecture and how much is chance.

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
    """One figure over architectures and seeds."""

    mean: float
    between: float
    """Standard deviation between architectures, the part of the seeds taken out; 0 where chance explains it all."""
    seed: float
    """Standard deviation between seeds of one architecture, pooled over all."""
    rank_correlation: float
    """Spearman's between two seeds, the mean over all pairs of seeds."""
    gap: float
    """From the median architecture to the best one, by their means over seeds, in seed standard deviations."""

    @property
    def share(self) -> float:
        """Share of the variance of one trial that is the architecture's: the intraclass correlation."""
        total = self.between**2 + self.seed**2
        return self.between**2 / total if total else 0.0


def signal_of(scores: Scores) -> Signal:
    """Variance components of a one-way layout (Fisher 1925), and what follows from them."""
    num_seeds = scores.shape[1]
    means = scores.mean(axis=1)
    within = float(scores.var(axis=1, ddof=1).mean())
    between = max(0.0, float(means.var(ddof=1)) - within / num_seeds)
    pairs = [spearman(scores[:, one], scores[:, other]) for one, other in itertools.combinations(range(num_seeds), 2)]
    gap = float(np.median(means) - means.min())
    return Signal(
        mean=float(scores.mean()),
        between=between**0.5,
        seed=within**0.5,
        rank_correlation=float(np.mean(pairs)),
        gap=gap / within**0.5 if within else float("inf"),
    )


def paired_error(differences: Scores) -> float:
    """The standard deviation by which a figure on a part misses that on the whole, between two architectures.

    `differences`: (A, P), figure on each of P parts less the figure on the whole. What all architectures
    have in common, a part that is harder for everyone, moves no ranking and is taken out.
    """
    own = differences - differences.mean(axis=0, keepdims=True)
    num = len(differences)
    return float(np.sqrt((own**2).mean() * num / (num - 1)))
