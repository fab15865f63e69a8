"""The test of a scaling law: predict the highest budget from the lower ones, and compare it with cheap baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.scaling_law.fitted_law import ForecastAccuracy, ForecastTest
from nas.scaling_law.law import Array, ScalingPoint, feature_centre, features, log_bpb
from nas.scaling_law.parameters import MEASURED, budget_weights, fit_parameters

MIN_FORECASTS = 5
"""With fewer trials at a budget, a forecast of it is not tested."""
_SAME_BUDGET = 1.5
"""FLOPs that differ by a smaller factor are of one budget: trainings take whole steps."""


def group_by_budget(points: Sequence[ScalingPoint]) -> list[list[ScalingPoint]]:
    """Return the points of each budget, the lowest budget first."""
    budgets: list[list[ScalingPoint]] = []
    for point in sorted(points, key=lambda point: point.train_flops):
        if budgets and point.train_flops < _SAME_BUDGET * budgets[-1][0].train_flops:
            budgets[-1].append(point)
        else:
            budgets.append([point])
    return budgets


def forecast_highest_budget(points: Sequence[ScalingPoint], corpus_bytes: float) -> ForecastTest | None:
    """Test the forecast of the highest budget that enough trials reached, or return None if there is none.

    Only trials that also have a result at a lower budget count.
    """
    budgets = group_by_budget(points)
    for index in range(len(budgets) - 1, 0, -1):
        below = [point for budget in budgets[:index] for point in budget]
        trials = {point.trial for point in below}
        above = [point for point in budgets[index] if point.trial in trials]
        if len({point.trial for point in above}) >= MIN_FORECASTS:
            return score_forecast(below, above, corpus_bytes)
    return None


def score_forecast(below: Sequence[ScalingPoint], above: Sequence[ScalingPoint], corpus_bytes: float) -> ForecastTest:
    """Compare `above`, the points of one budget, with forecasts from `below`, lower budgets of the same trials."""
    val_bpb = np.array([point.val_bpb for point in above])
    unseen = np.empty(len(above))
    for half in _halves(above):
        hidden = {above[index].trial for index in half}
        rest = [point for point in below if point.trial not in hidden]
        unseen[half] = fit_and_predict(rest, [above[index] for index in half], corpus_bytes)
    sizes = -np.array([point.architecture.non_embedding_params for point in above])
    flops = _geometric_mean_flops(above)
    return ForecastTest(
        num_trials=len({point.trial for point in above}),
        train_flops=flops,
        flops_ratio=flops / _geometric_mean_flops(group_by_budget(below)[-1]),
        unseen=_accuracy(unseen, val_bpb),
        seen=_accuracy(fit_and_predict(below, above, corpus_bytes), val_bpb),
        same_gain=_accuracy(_same_gain(below, above), val_bpb),
        size_rank_correlation=spearman(sizes, val_bpb),
        log_rmse=float(np.sqrt(np.mean(np.log(val_bpb / unseen) ** 2))),
    )


def fit_and_predict(known: Sequence[ScalingPoint], targets: Sequence[ScalingPoint], corpus_bytes: float) -> Array:
    """Return predicted bits per byte (n,) of `targets` by a law fitted to `known`."""
    uncentred = features(known, corpus_bytes)
    val_bpb = np.array([point.val_bpb for point in known])
    centre = feature_centre(uncentred)
    parameters = fit_parameters(uncentred - centre, val_bpb, MEASURED, budget_weights(known))
    predicted: Array = np.exp(log_bpb(parameters, features(targets, corpus_bytes) - centre))
    return predicted


def _halves(points: Sequence[ScalingPoint]) -> tuple[list[int], list[int]]:
    """Return the indices of the points of either half of the trials, divided at random with a fixed seed."""
    trials = sorted({point.trial for point in points})
    order = np.random.default_rng(0).permutation(len(trials))
    first = {trials[index] for index in order[: len(trials) // 2]}
    inside = [index for index, point in enumerate(points) if point.trial in first]
    return inside, [index for index in range(len(points)) if index not in set(inside)]


def _same_gain(below: Sequence[ScalingPoint], above: Sequence[ScalingPoint]) -> Array:
    """Return forecasts (n,): each trial's last result in `below`, moved along log FLOPs at the same rate for all."""
    curves: dict[tuple[str, float], list[ScalingPoint]] = {}
    for point in sorted(below, key=lambda point: point.train_flops):
        curves.setdefault(point.trial, []).append(point)
    rates = [_rate(curve[0], curve[-1]) for curve in curves.values() if len(group_by_budget(curve)) > 1]
    rate = float(np.mean(rates or [_rate(curves[point.trial][-1], point) for point in above]))
    last = [curves[point.trial][-1] for point in above]
    return np.array(
        [
            before.val_bpb + rate * math.log(point.train_flops / before.train_flops)
            for before, point in zip(last, above, strict=True)
        ]
    )


def _rate(first: ScalingPoint, last: ScalingPoint) -> float:
    """Return the change in bits per byte per unit of log FLOPs."""
    return (last.val_bpb - first.val_bpb) / math.log(last.train_flops / first.train_flops)


def _accuracy(forecast: Array, val_bpb: Array) -> ForecastAccuracy:
    error = float(np.mean(np.abs(forecast - val_bpb)))
    return ForecastAccuracy(mean_absolute_error=error, rank_correlation=spearman(forecast, val_bpb))


def _geometric_mean_flops(points: Sequence[ScalingPoint]) -> float:
    return math.exp(np.mean([math.log(point.train_flops) for point in points]))


def spearman(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return Spearman's rank correlation; 0 if one side is constant, where it is not defined."""
    from scipy.stats import spearmanr  # here: its import takes half a second

    if len(np.unique(first)) < 2 or len(np.unique(second)) < 2:
        return 0.0
    return float(spearmanr(first, second).statistic)
