"""Parameters of the scaling law from points: Huber's loss on log bits per byte, held by priors where points are silent.

n points, F features, P parameters (nas/scaling_law.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from nas.scaling_law import EFFECTS, PARAMETERS, SIZES, TERMS, Array, ScalingPoint, log_bpb, losses

NOISE = 0.04
"""Standard deviation of log bpb about the law, against which priors are weighed. Seeds of a small model differ by less
than a quarter of it; the rest is what the law does not know of an architecture.
"""
HUBER = 1.345
"""In NOISE: from there on a residual counts by its size, not by its square (Huber 1964)."""

_LATENESS = 1.2
_EXPONENT = (0.35, 0.3, 0.02, 1.5)
_LOSS = (math.log(0.4), 1.0, -math.inf, math.inf)
_EFFECT = (0.0, 0.01, -math.inf, math.inf)
_POSITIONS = (0.0, 0.05, -math.inf, math.inf)
PRIORS = {
    **{name: _POSITIONS if name.startswith("position_encoding=") else _EFFECT for name in EFFECTS},
    "lr_squared": (0.01, 0.01, 0.0, math.inf),  # a learning rate has a best, not a worst
    "log_E": (math.log(0.35), 0.5, -math.inf, math.inf),
    **dict.fromkeys(("log_A", "log_B", "log_C"), _LOSS),
    **dict.fromkeys(("alpha", "beta", "gamma"), _EXPONENT),
    "delta": (0.0, 0.3, 0.0, 0.5),
    "epsilon": (0.2, 0.2, 0.0, 1.0),
}
"""Mean, standard deviation, least and greatest value of each parameter.

Exponents: Hoffmann et al. 2022 have 0.34 and 0.28, Besiroglu et al. 2024 (arXiv 2404.10102) 0.35 and 0.37 of the same
data, Muennighoff et al. 2023 0.35 for both. E: large models of code reach about 0.35 bits per byte. Effects: looser
ones foretell other trials worse. lr_squared: a rate twice or half the best costs 1% in most sweeps of
docs/learning-rate.md.
"""
PRIOR_MEAN, PRIOR_SD, LEAST, GREATEST = np.array([PRIORS[name] for name in PARAMETERS]).T
_STARTS = tuple(itertools.product((0.2, 0.6), repeat=2))
"""Exponents of size and vocabulary, and of data, that the descent begins at."""


def fit_parameters(
    at: Array, val_bpb: Array, weights: Array | None = None, prior_mean: Array = PRIOR_MEAN, start: Array | None = None
) -> Array:
    """(P,) most likely parameters for features (n, F) about their centre and (n,) bits per byte.

    `weights` (n,) count each point that many times. The best of a few descents, or the one from `start`.
    """
    weights = np.ones(len(at)) if weights is None else weights
    starts = [_start(*one) for one in _STARTS] if start is None else [start]
    found = [_descend(at, np.log(val_bpb), weights, prior_mean, one) for one in starts]
    return min(found, key=lambda pair: pair[0])[1]


def lateness(points: Sequence[ScalingPoint]) -> Array:
    """(n,) weights of points: 1 at the highest budget, less below, where trainings are no law's yet.

    A ninth of the FLOPs counts for a fourteenth. With equal weights forty trials foretell longer trainings worse
    (docs/prediction.md).
    """
    flops = np.array([one.train_flops for one in points])
    weights: Array = (flops / flops.max()) ** _LATENESS
    return weights


def _start(size_exponent: float, data_exponent: float) -> Array:
    values = dict(zip(PARAMETERS, PRIOR_MEAN, strict=True))
    values |= {"alpha": size_exponent, "beta": size_exponent, "gamma": data_exponent, "delta": 0.1, "lr_squared": 0.01}
    return np.array([values[name] for name in PARAMETERS])


def _descend(at: Array, logs: Array, weights: Array, prior_mean: Array, start: Array) -> tuple[float, Array]:
    """Cost and parameters at the end of one descent."""
    scale = np.sqrt(weights)

    def residuals(parameters: Array) -> Array:
        own, _ = tamed((log_bpb(parameters, at) - logs) / NOISE)
        return np.concatenate([scale * own, (parameters - prior_mean) / PRIOR_SD])

    def slopes(parameters: Array) -> Array:
        _, slope = tamed((log_bpb(parameters, at) - logs) / NOISE)
        own = (scale * slope / NOISE)[:, None] * jacobian(parameters, at)
        return np.concatenate([own, np.diag(1 / PRIOR_SD)])

    inside = np.clip(start, LEAST + 1e-6, GREATEST - 1e-6)
    ended = least_squares(residuals, inside, slopes, (LEAST, GREATEST), xtol=1e-6, ftol=1e-6)
    return float(ended.cost), np.asarray(ended.x)


def tamed(residuals: Array) -> tuple[Array, Array]:
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
    of = {
        "log_E": irreducible,
        "log_A": size,
        "alpha": -at[:, 0] * size,
        "log_B": vocabulary,
        "beta": -at[:, 1] * vocabulary,
        "epsilon": -at[:, 2] * vocabulary,
        "log_C": data,
        "gamma": -at[:, 2] * data,
        "delta": at[:, 0] * data,
    }
    return np.column_stack([*(of[name] for name in TERMS), at[:, len(SIZES) :]])
