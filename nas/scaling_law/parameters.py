"""Parameters of the scaling law from points: Huber's loss on log bits per byte, held by priors where points are silent.

n points, F features, P parameters (nas/scaling_law/law.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from nas.architecture.config import CHOICES
from nas.scaling_law.law import EFFECTS, PARAMETERS, SIZES, TERMS, Array, ScalingPoint, log_bpb, losses

NOISE = 0.04
"""Standard deviation of log bpb about the law, against which priors are weighed. Seeds of a small model differ by less
than a quarter of it; the rest is what the law does not know of an architecture.
"""
HUBER = 1.345
"""In NOISE: from there on a residual counts by its size, not by its square (Huber 1964)."""

_LATENESS = 1.2
_FREE = (-math.inf, math.inf)
BOUNDS = {
    **dict.fromkeys(EFFECTS, _FREE),
    "lr_squared": (0.0, math.inf),  # a learning rate has a best, not a worst
    **dict.fromkeys(("log_E", "log_A", "log_B", "log_C"), _FREE),
    **dict.fromkeys(("alpha", "beta", "gamma"), (0.02, 2.0)),
    **dict.fromkeys(("kappa", "eta", "epsilon", "delta"), (0.0, 1.0)),
}
"""Least and greatest value of each parameter."""
LEAST, GREATEST = np.array([BOUNDS[name] for name in PARAMETERS]).T


@dataclass(frozen=True)
class Priors:
    """What is believed of each parameter before there is any point: independent normal distributions."""

    mean: Array
    """(P,)"""
    sd: Array
    """(P,)"""

    @classmethod
    def of(cls, positions: Mapping[str, tuple[float, float]], **terms: tuple[float, float]) -> Priors:
        """Mean and standard deviation of the effects of `positions` and of each term; other effects are small.

        Looser ones foretell other trials worse. A rate twice or half the best costs 1% in most sweeps of
        experiments/learning_rate/README.md.
        """
        known = dict.fromkeys(EFFECTS, (0.0, 0.01)) | {"lr_squared": (0.01, 0.01)} | terms
        known |= {f"position_encoding={name}": prior for name, prior in positions.items()}
        mean, sd = np.array([known[name] for name in PARAMETERS]).T
        return cls(mean, sd)

    def drawn(self, rng: np.random.Generator) -> Priors:
        """With means drawn from themselves."""
        return Priors(self.mean + self.sd * rng.standard_normal(len(self.mean)), self.sd)


PUBLISHED = Priors.of(
    dict.fromkeys(CHOICES["position_encoding"], (0.0, 0.05)),
    log_E=(math.log(0.35), 0.5),
    **dict.fromkeys(("log_A", "log_B", "log_C"), (math.log(0.4), 1.0)),
    alpha=(0.7, 0.5),
    kappa=(0.35, 0.3),
    **dict.fromkeys(("beta", "eta", "gamma"), (0.35, 0.3)),
    delta=(0.0, 0.3),
    epsilon=(0.2, 0.2),
)
"""Of large models of text, and wide, as what is fitted here is far smaller: what `MEASURED` was fitted under.

Exponents of size and data: Hoffmann et al. 2022 have 0.34 and 0.28, Besiroglu et al. 2024 (arXiv 2404.10102) 0.35 and
0.37 of the same data, Muennighoff et al. 2023 0.35 for both; N goes as H^2 L. E: large models of code reach about 0.35
bits per byte.
"""
MEASURED = Priors.of(
    {
        "rope": (-0.04, 0.03),
        "learned": (0.01, 0.03),
        "sinusoidal": (0.0, 0.03),
        "alibi": (0.0, 0.03),
        "none": (0.03, 0.03),
    },
    log_E=(-1.09, 0.3),
    log_A=(-0.37, 0.3),
    alpha=(0.37, 0.05),
    kappa=(0.10, 0.05),
    log_B=(-1.96, 0.3),
    beta=(0.30, 0.05),
    eta=(0.25, 0.05),
    epsilon=(0.26, 0.05),
    log_C=(-0.53, 0.3),
    gamma=(0.25, 0.05),
    delta=(0.35, 0.05),
)
"""Of small models of code, about REFERENCE: the law of a search and of full trainings on python-100mb, 1e11 to 1e15
FLOPs (`python -m experiments.scaling_law.larger_corpus_points`). The trials of one search alone, mostly small models under small
budgets, do not say how width, depth, vocabulary and data trade off. Levels, which differ between corpora, are left
wider than exponents.
"""
_STARTS = tuple(itertools.product((0.2, 0.6), repeat=2))
"""Exponents of size and vocabulary, and of data, that the descent begins at."""


def fit_parameters(
    at: Array, val_bpb: Array, priors: Priors, weights: Array | None = None, start: Array | None = None
) -> Array:
    """(P,) most likely parameters for features (n, F) about the centre of `priors` and (n,) bits per byte.

    `weights` (n,) count each point that many times. The best of a few descents, or the one from `start`.
    """
    weights = np.ones(len(at)) if weights is None else weights
    starts = [_start(priors, *one) for one in _STARTS] if start is None else [start]
    found = [_descend(at, np.log(val_bpb), weights, priors, one) for one in starts]
    return min(found, key=lambda pair: pair[0])[1]


def budget_weights(points: Sequence[ScalingPoint]) -> Array:
    """(n,) weights of points: 1 at the highest budget, less below, where trainings are no law's yet.

    A ninth of the FLOPs counts for a fourteenth.
    """
    flops = np.array([one.train_flops for one in points])
    weights: Array = (flops / flops.max()) ** _LATENESS
    return weights


def _start(priors: Priors, size_exponent: float, data_exponent: float) -> Array:
    values = dict(zip(PARAMETERS, priors.mean, strict=True))
    values |= {"alpha": size_exponent, "beta": size_exponent, "gamma": data_exponent, "delta": 0.1, "lr_squared": 0.01}
    return np.array([values[name] for name in PARAMETERS])


def _descend(at: Array, logs: Array, weights: Array, priors: Priors, start: Array) -> tuple[float, Array]:
    """Cost and parameters at the end of one descent."""
    scale = np.sqrt(weights)

    def residuals(parameters: Array) -> Array:
        own, _ = huber_residuals((log_bpb(parameters, at) - logs) / NOISE)
        return np.concatenate([scale * own, (parameters - priors.mean) / priors.sd])

    def slopes(parameters: Array) -> Array:
        _, slope = huber_residuals((log_bpb(parameters, at) - logs) / NOISE)
        own = (scale * slope / NOISE)[:, None] * jacobian(parameters, at)
        return np.concatenate([own, np.diag(1 / priors.sd)])

    inside = np.clip(start, LEAST + 1e-6, GREATEST - 1e-6)
    ended = least_squares(residuals, inside, slopes, (LEAST, GREATEST), xtol=1e-6, ftol=1e-6)
    return float(ended.cost), np.asarray(ended.x)


def huber_residuals(residuals: Array) -> tuple[Array, Array]:
    """(n,) numbers whose squares are twice Huber's loss of `residuals`, and (n,) their derivatives.

    The square itself up to HUBER, 2 k |r| - k^2 beyond: so least squares minimise Huber's loss.
    """
    size = np.abs(residuals)
    root = np.sqrt(np.where(size > HUBER, 2 * HUBER * size - HUBER**2, 1.0))
    far = size > HUBER
    return np.where(far, np.sign(residuals) * root, residuals), np.where(far, HUBER / root, 1.0)


def jacobian(parameters: Array, at: Array) -> Array:
    """(n, P) derivatives of log_bpb."""
    parts = losses(parameters, at)
    irreducible, size, vocabulary, data = parts / parts.sum(axis=0)
    log_h, log_l, log_v, log_d = at[:, : len(SIZES)].T
    of = {
        "log_E": irreducible,
        "log_A": size,
        "alpha": -log_h * size,
        "kappa": -log_l * size,
        "log_B": vocabulary,
        "beta": -log_v * vocabulary,
        "eta": -log_h * vocabulary,
        "epsilon": -log_d * vocabulary,
        "log_C": data,
        "gamma": -log_d * data,
        "delta": log_h * data,
    }
    return np.column_stack([*(of[name] for name in TERMS), at[:, len(SIZES) :]])
