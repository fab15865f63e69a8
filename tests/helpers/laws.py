"""Scaling laws with known figures, for tests of code that uses a law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from nas.scaling_law import fit as fit_module
from nas.scaling_law import forecast as forecast_module
from nas.scaling_law.fit import fit
from nas.scaling_law.fitted_law import ForecastAccuracy, ForecastTest, ScalingLaw
from nas.scaling_law.law import FEATURES, PARAMETERS, TERMS, ScalingPoint
from nas.scaling_law.parameters import MEASURED, Priors

CENTRE = {"log_H": math.log(128), "log_L": math.log(4), "log_V": math.log(4096), "log_D": math.log(1e6)}
FIGURES = {
    "log_E": math.log(0.4), "log_A": math.log(0.5), "alpha": 0.6, "kappa": 0.3,
    "log_B": math.log(0.2), "beta": 0.5, "eta": 0.2, "epsilon": 0.1,
    "log_C": math.log(0.8), "gamma": 0.25, "delta": 0.3,
}  # fmt: skip


def make_accuracy(mean_absolute_error: float = 0.05, rank_correlation: float = 0.8) -> ForecastAccuracy:
    """Return an accuracy, a good one by default."""
    return ForecastAccuracy(mean_absolute_error=mean_absolute_error, rank_correlation=rank_correlation)


def make_forecast_test(**changes: Any) -> ForecastTest:
    """Return a test on ten trials at 4e12 FLOPs, ten times the budget below, with an error of 5%."""
    figures: dict[str, Any] = {
        "num_trials": 10, "train_flops": 4e12, "flops_ratio": 10.0, "unseen": make_accuracy(), "seen": make_accuracy(),
        "same_gain": make_accuracy(0.1, 0.5), "size_rank_correlation": 0.2, "log_rmse": 0.05,
    }  # fmt: skip
    return ForecastTest(**figures | changes)


def make_parameters(**changes: float) -> tuple[float, ...]:
    """Return FIGURES with `changes` in the order of PARAMETERS, other parameters 0."""
    figures = FIGURES | changes
    assert figures.keys() <= set(PARAMETERS)
    return tuple(figures.get(name, 0.0) for name in PARAMETERS)


def make_law(corpus_bytes: float = 1e15, draws: int = 4, **changes: float) -> ScalingLaw:
    """Return a law with FIGURES and `changes` about CENTRE; every draw equals the law itself."""
    parameters = make_parameters(**changes)
    return ScalingLaw(
        corpus_bytes=corpus_bytes,
        centre=tuple(CENTRE.get(name, 0.0) for name in FEATURES),
        parameters=parameters,
        draws=(parameters,) * draws,
        num_trials=40,
        num_points=60,
        flops_span=100.0,
        fit_log_rmse=0.02,
        log_bpb_sd=0.1,
        forecast=make_forecast_test(),
        shortcomings=(),
    )


def fit_law(points: Sequence[ScalingPoint], corpus_bytes: float) -> ScalingLaw:
    """Fit a law to the points, and fail if there is none."""
    law = fit(points, corpus_bytes)
    assert isinstance(law, ScalingLaw), law
    return law


def widen_priors(monkeypatch: pytest.MonkeyPatch, factor: float, effects_only: bool = False) -> None:
    """Multiply the standard deviations of the priors, all or only those of effects, for the rest of the test."""
    sd = MEASURED.sd.copy()
    sd[len(TERMS) if effects_only else 0 :] *= factor
    for module in (fit_module, forecast_module):
        monkeypatch.setattr(module, "MEASURED", Priors(MEASURED.mean, sd))
