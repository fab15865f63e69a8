"""Fit a scaling law to the trials of a study, and decide whether it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.scaling_law.fitted_law import ForecastTest, NoLaw, ScalingLaw
from nas.scaling_law.forecast import MIN_FORECASTS, forecast_highest_budget, group_by_budget
from nas.scaling_law.law import Array, ScalingPoint, feature_centre, features, log_bpb
from nas.scaling_law.parameters import MEASURED, budget_weights, fit_parameters

MIN_TRIALS = 8
"""With fewer trials no law is fitted."""
MIN_TRUSTED_TRIALS = 20
MIN_FLOPS_SPAN = 8.0
MAX_ERROR = 0.7
"""Greatest RMSE of forecasts, in standard deviations between trials: 1 - 0.7^2 = 51% of the variance is explained."""
NUM_DRAWS = 40


def fit(points: Sequence[ScalingPoint], corpus_bytes: float, seed: int = 0) -> ScalingLaw | NoLaw:
    """Fit one law to the points of all budgets, or return the reason why there is none.

    Points whose bits per byte are not finite, because their training diverged, are left out. The law depends on the set
    of points and on the seed, not on the order of the points.
    """
    usable = sorted(
        (point for point in points if math.isfinite(point.val_bpb) and point.val_bpb > 0),
        key=lambda point: (point.train_flops, point.trial, point.val_bpb),
    )
    trials = {point.trial for point in usable}
    if len(trials) < MIN_TRIALS:
        num_broken = len(points) - len(usable)
        left_out = f"; {num_broken} of {len(points)} points have no finite bits per byte" if num_broken else ""
        return NoLaw(reason=f"a scaling law needs at least {MIN_TRIALS} trials, found {len(trials)}{left_out}")
    budgets = group_by_budget(usable)
    if len(budgets) < 2:
        return NoLaw(reason="all trials were trained with the same FLOPs, so the effect of longer training is unknown")
    tested = forecast_highest_budget(usable, corpus_bytes)
    if tested is None:
        return NoLaw(
            reason=f"fewer than {MIN_FORECASTS} trials were trained at two budgets, so no forecast can be tested"
        )
    uncentred = features(usable, corpus_bytes)
    centre = feature_centre(uncentred)
    x = uncentred - centre
    val_bpb = np.array([point.val_bpb for point in usable])
    parameters = fit_parameters(x, val_bpb, MEASURED, budget_weights(usable))
    draws = _bootstrap(usable, x, parameters, seed)
    residuals = np.log(val_bpb) - log_bpb(parameters, x)
    flops_span = budgets[-1][-1].train_flops / budgets[0][0].train_flops
    log_bpb_sd = _log_bpb_sd(usable)
    return ScalingLaw(
        corpus_bytes=corpus_bytes,
        centre=tuple(map(float, centre)),
        parameters=tuple(map(float, parameters)),
        draws=tuple(tuple(float(f"{value:.5g}") for value in draw) for draw in draws),
        num_trials=len(trials),
        num_points=len(usable),
        flops_span=flops_span,
        fit_log_rmse=float(np.sqrt(np.mean(residuals**2))),
        log_bpb_sd=log_bpb_sd,
        forecast=tested,
        shortcomings=shortcomings(len(trials), flops_span, log_bpb_sd, tested),
    )


def shortcomings(num_trials: int, flops_span: float, log_bpb_sd: float, tested: ForecastTest) -> tuple[str, ...]:
    """Return why a law is not to be trusted, one line each; none if it is.

    A law is trusted when there are enough trials over a wide enough range of FLOPs, when it predicts at least half of
    the variance of log bpb between trials it has not seen at a budget it has not seen, and when it predicts better than
    the baseline that adds the same gain to each trial's own result at a lower budget.
    """
    reasons = []
    if num_trials < MIN_TRUSTED_TRIALS:
        reasons.append(f"{num_trials} trials are too few, at least {MIN_TRUSTED_TRIALS} are needed")
    if flops_span < MIN_FLOPS_SPAN:
        reasons.append(
            f"the highest budget is {flops_span:.3g} times the lowest, at least {MIN_FLOPS_SPAN:g} times is needed"
        )
    budget = f"at {tested.train_flops:.2g} FLOPs"
    if tested.log_rmse > MAX_ERROR * log_bpb_sd:
        reasons.append(
            f"{budget} its forecasts of unseen trials are wrong by {tested.log_rmse:.1%}, while trials differ by "
            f"{log_bpb_sd:.1%}; at most {MAX_ERROR:g} of that difference is allowed"
        )
    if tested.unseen.rank_correlation <= 0:
        correlation = f"Spearman's correlation is {tested.unseen.rank_correlation:.2f}"
        reasons.append(f"{budget} it does not rank unseen trials: {correlation}")
    if tested.seen.mean_absolute_error >= tested.same_gain.mean_absolute_error:
        reasons.append(
            f"{budget} its mean error of {tested.seen.mean_absolute_error:.3f} bits per byte is not below the "
            f"{tested.same_gain.mean_absolute_error:.3f} of assuming the same gain for all trials"
        )
    return tuple(reasons)


def _log_bpb_sd(points: Sequence[ScalingPoint]) -> float:
    """Return the standard deviation of log bpb between trials, each at its lowest budget: good ones alone get beyond.

    `points` are in the order of their FLOPs.
    """
    first: dict[tuple[str, float], float] = {}
    for point in points:
        first.setdefault(point.trial, math.log(point.val_bpb))
    return float(np.std(list(first.values())))


def _bootstrap(points: Sequence[ScalingPoint], x: Array, parameters: Array, seed: int) -> list[Array]:
    """Fit the parameters (P,) repeatedly, each time with other weights of the trials and other means of the priors.

    The Bayesian bootstrap (Rubin 1981): exponential weights, one for each trial, as its points are not independent. The
    priors vary too, because fixed ones would pin whatever the points do not determine to a single value.
    """
    rng = np.random.default_rng(seed)
    numbers = {trial: number for number, trial in enumerate(sorted({point.trial for point in points}))}
    trial_of_point = [numbers[point.trial] for point in points]
    val_bpb, by_budget = np.array([point.val_bpb for point in points]), budget_weights(points)
    draws = []
    for _ in range(NUM_DRAWS):
        weights = rng.exponential(size=len(numbers))[trial_of_point] * by_budget
        draws.append(fit_parameters(x, val_bpb, MEASURED.resample(rng), weights, parameters))
    return draws
