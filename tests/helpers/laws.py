"""Laws whose figures are known, for tests of what is done with a law."""

from __future__ import annotations

import math
from typing import Any

from nas.scaling_law.fitted import Forecast, ForecastAccuracy, ScalingLaw
from nas.scaling_law.law import FEATURES, PARAMETERS

CENTRE = {"log_H": math.log(128), "log_L": math.log(4), "log_V": math.log(4096), "log_D": math.log(1e6)}
FIGURES = {
    "log_E": math.log(0.4), "log_A": math.log(0.5), "alpha": 0.6, "kappa": 0.3,
    "log_B": math.log(0.2), "beta": 0.5, "eta": 0.2, "epsilon": 0.1,
    "log_C": math.log(0.8), "gamma": 0.25, "delta": 0.3,
}  # fmt: skip


def skill(mean_error: float = 0.05, rank_correlation: float = 0.8) -> ForecastAccuracy:
    return ForecastAccuracy(mean_error=mean_error, rank_correlation=rank_correlation)


def forecast_of(**others: Any) -> Forecast:
    """Of ten trials at 4e12 FLOPs, a factor of 10 above those before, off by 5%."""
    figures: dict[str, Any] = {
        "num_trials": 10, "train_flops": 4e12, "flops_step": 10.0, "unseen": skill(), "seen": skill(),
        "same_gain": skill(0.1, 0.5), "size_rank_correlation": 0.2, "log_error": 0.05,
    }  # fmt: skip
    return Forecast(**figures | others)


def parameters_of(**others: float) -> tuple[float, ...]:
    figures = FIGURES | others
    assert figures.keys() <= set(PARAMETERS)
    return tuple(figures.get(name, 0.0) for name in PARAMETERS)


def law_of(corpus_bytes: float = 1e15, draws: int = 4, **others: float) -> ScalingLaw:
    """FIGURES and `others`, about CENTRE; every draw is the law itself."""
    parameters = parameters_of(**others)
    return ScalingLaw(
        corpus_bytes=corpus_bytes,
        centre=tuple(CENTRE.get(name, 0.0) for name in FEATURES),
        parameters=parameters,
        draws=(parameters,) * draws,
        num_trials=40,
        num_points=60,
        flops_span=100.0,
        residual=0.02,
        spread=0.1,
        forecast=forecast_of(),
        shortcomings=(),
    )
