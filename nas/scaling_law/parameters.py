"""Maximum a posteriori parameters of the scaling law: Huber's loss on log bits per byte, and normal priors.

Shapes: n points, F features, P parameters; x (n, F) centred features (nas/scaling_law/law.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from nas.architecture.config import CHOICES
from nas.scaling_law.law import EFFECTS, PARAMETERS, SIZES, TERMS, Array, ScalingPoint, log_bpb, loss_terms

NOISE = 0.04
"""Standard deviation of log bpb about the law, which weighs points against priors. Seeds of a small model differ by
less than a quarter of it; the rest is what the law does not know about an architecture.
"""
HUBER = 1.345
"""Residuals, in units of NOISE, beyond which the loss grows linearly and not with the square (Huber 1964)."""

_BUDGET_EXPONENT = 1.2
"""A point's weight is proportional to its FLOPs to this power."""
_FREE = (-math.inf, math.inf)
BOUNDS = {
    **dict.fromkeys(EFFECTS, _FREE),
    "lr_squared": (0.0, math.inf),  # a learning rate has a best, not a worst
    **dict.fromkeys(("log_E", "log_A", "log_B", "log_C"), _FREE),
    **dict.fromkeys(("alpha", "beta", "gamma"), (0.02, 2.0)),
    **dict.fromkeys(("kappa", "eta", "epsilon", "delta"), (0.0, 1.0)),
}
"""Lower and upper bound of each parameter."""
LOWER, UPPER = np.array([BOUNDS[name] for name in PARAMETERS]).T


@dataclass(frozen=True)
class Priors:
    """Independent normal priors of the parameters: means (P,) and standard deviations (P,)."""

    mean: Array
    sd: Array

    @classmethod
    def from_terms(cls, positions: Mapping[str, tuple[float, float]], **terms: tuple[float, float]) -> Priors:
        """Build priors from (mean, standard deviation) of each term and of the effects of position encodings.

        All other effects are assumed to be small: wider priors predict other trials worse. A learning rate of twice or
        half the best one costs 1% in most sweeps of experiments/learning_rate/README.md.
        """
        known = dict.fromkeys(EFFECTS, (0.0, 0.01)) | {"lr_squared": (0.01, 0.01)} | terms
        known |= {f"position_encoding={name}": prior for name, prior in positions.items()}
        mean, sd = np.array([known[name] for name in PARAMETERS]).T
        return cls(mean, sd)

    def resample(self, rng: np.random.Generator) -> Priors:
        """Return priors whose means are drawn from these priors, with the same standard deviations."""
        return Priors(self.mean + self.sd * rng.standard_normal(len(self.mean)), self.sd)


PUBLISHED = Priors.from_terms(
    dict.fromkeys(CHOICES["position_encoding"], (0.0, 0.05)),
    log_E=(math.log(0.35), 0.5),
    **dict.fromkeys(("log_A", "log_B", "log_C"), (math.log(0.4), 1.0)),
    alpha=(0.7, 0.5),
    kappa=(0.35, 0.3),
    **dict.fromkeys(("beta", "eta", "gamma"), (0.35, 0.3)),
    delta=(0.0, 0.3),
    epsilon=(0.2, 0.2),
)
"""Priors from publications on large models of text, wide because our models are far smaller. `MEASURED` was fitted
under them.

Exponents of size and data: Hoffmann et al. 2022 have 0.34 and 0.28, Besiroglu et al. 2024 (arXiv 2404.10102) 0.35 and
0.37 from the same data, Muennighoff et al. 2023 0.35 for both; N is proportional to H^2 L. E: large models of code
reach about 0.35 bits per byte.
"""
MEASURED = Priors.from_terms(
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
"""Priors measured on small models of code: the law of a search and of full trainings on python-100mb, 1e11 to 1e15
FLOPs (`python -m experiments.scaling_law.larger_corpus_points`). One search has mostly small models under small
budgets, too few to tell how width, depth, vocabulary and data trade off. The levels E, A, B and C differ between
corpora, so their priors are wider than those of exponents.
"""
_STARTS = tuple(itertools.product((0.2, 0.6), repeat=2))
"""Initial exponents of the descents: of size and vocabulary, and of data."""


def fit_parameters(
    x: Array, val_bpb: Array, priors: Priors, weights: Array | None = None, start: Array | None = None
) -> Array:
    """Return the most likely parameters (P,) for centred features x (n, F), bits per byte (n,) and priors.

    A point of weight w of `weights` (n,) counts like w equal points. Without `start` (P,) the best of several descents
    is returned.
    """
    weights = np.ones(len(x)) if weights is None else weights
    starts = [_start(priors, *exponents) for exponents in _STARTS] if start is None else [start]
    fits = [_descend(x, np.log(val_bpb), weights, priors, initial) for initial in starts]
    return min(fits, key=lambda fit: fit[0])[1]


def budget_weights(points: Sequence[ScalingPoint]) -> Array:
    """Return weights (n,) of points: 1 at the highest budget, less below it, where the law holds less well.

    At a ninth of the FLOPs the weight is a fourteenth.
    """
    flops = np.array([point.train_flops for point in points])
    weights: Array = (flops / flops.max()) ** _BUDGET_EXPONENT
    return weights


def _start(priors: Priors, size_exponent: float, data_exponent: float) -> Array:
    values = dict(zip(PARAMETERS, priors.mean, strict=True))
    values |= {"alpha": size_exponent, "beta": size_exponent, "gamma": data_exponent, "delta": 0.1, "lr_squared": 0.01}
    return np.array([values[name] for name in PARAMETERS])


def _descend(x: Array, logs: Array, weights: Array, priors: Priors, start: Array) -> tuple[float, Array]:
    """Return the cost and the parameters (P,) at the end of one descent."""
    scale = np.sqrt(weights)

    def residuals(parameters: Array) -> Array:
        values, _ = huber_residuals((log_bpb(parameters, x) - logs) / NOISE)
        return np.concatenate([scale * values, (parameters - priors.mean) / priors.sd])

    def slopes(parameters: Array) -> Array:
        _, slope = huber_residuals((log_bpb(parameters, x) - logs) / NOISE)
        point_slopes = (scale * slope / NOISE)[:, None] * jacobian(parameters, x)
        return np.concatenate([point_slopes, np.diag(1 / priors.sd)])

    inside = np.clip(start, LOWER + 1e-6, UPPER - 1e-6)
    result = least_squares(residuals, inside, slopes, (LOWER, UPPER), xtol=1e-6, ftol=1e-6)
    return float(result.cost), np.asarray(result.x)


def huber_residuals(residuals: Array) -> tuple[Array, Array]:
    """Return numbers (n,) whose squares are twice Huber's loss of `residuals` (n,), and their derivatives (n,).

    The square is r^2 up to HUBER and 2 k |r| - k^2 beyond, so that least squares minimise Huber's loss.
    """
    size = np.abs(residuals)
    root = np.sqrt(np.where(size > HUBER, 2 * HUBER * size - HUBER**2, 1.0))
    is_far = size > HUBER
    return np.where(is_far, np.sign(residuals) * root, residuals), np.where(is_far, HUBER / root, 1.0)


def jacobian(parameters: Array, x: Array) -> Array:
    """Return the derivatives (n, P) of log_bpb with respect to the parameters."""
    terms = loss_terms(parameters, x)
    irreducible, size, vocabulary, data = terms / terms.sum(axis=0)
    log_h, log_l, log_v, log_d = x[:, : len(SIZES)].T
    columns = {
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
    return np.column_stack([*(columns[name] for name in TERMS), x[:, len(SIZES) :]])
