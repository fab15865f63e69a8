"""The test of a scaling law: the highest budget, foretold from what lies below it, beside rivals that cost nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.scaling_law.fitted import Forecast, ForecastAccuracy
from nas.scaling_law.law import Array, ScalingPoint, centre_of, features, log_bpb
from nas.scaling_law.parameters import MEASURED, budget_weights, fit_parameters

MIN_FORECASTS = 5
"""Fewer trials at a budget say nothing about a forecast of it."""
_SAME_BUDGET = 1.5
"""Budgets that differ by a smaller factor are one: trainings take whole steps."""


def budgets_of(points: Sequence[ScalingPoint]) -> list[list[ScalingPoint]]:
    """The points of each budget, lowest first."""
    found: list[list[ScalingPoint]] = []
    for point in sorted(points, key=lambda one: one.train_flops):
        if found and point.train_flops < _SAME_BUDGET * found[-1][0].train_flops:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def forecast(points: Sequence[ScalingPoint], corpus_bytes: float) -> Forecast | None:
    """How well the highest budget that enough trials reached is foretold; None where there is no such budget.

    Of those trials only, that have a result below it too.
    """
    budgets = budgets_of(points)
    for index in range(len(budgets) - 1, 0, -1):
        below = [one for budget in budgets[:index] for one in budget]
        known = {one.trial for one in below}
        above = [one for one in budgets[index] if one.trial in known]
        if len({one.trial for one in above}) >= MIN_FORECASTS:
            return score_forecast(below, above, corpus_bytes)
    return None


def score_forecast(below: Sequence[ScalingPoint], above: Sequence[ScalingPoint], corpus_bytes: float) -> Forecast:
    """How well `above`, points of one budget, are foretold from `below`, where each of their trials has points too."""
    found = np.array([one.val_bpb for one in above])
    unseen = np.empty(len(above))
    for half in _halves(above):
        hidden = {above[index].trial for index in half}
        rest = [one for one in below if one.trial not in hidden]
        unseen[half] = predicted(rest, [above[index] for index in half], corpus_bytes)
    sizes = -np.array([one.architecture.non_embedding_params for one in above])
    flops = _geometric_mean(above)
    return Forecast(
        num_trials=len({one.trial for one in above}),
        train_flops=flops,
        flops_step=flops / _geometric_mean(budgets_of(below)[-1]),
        unseen=_accuracy(unseen, found),
        seen=_accuracy(predicted(below, above, corpus_bytes), found),
        same_gain=_accuracy(_same_gain(below, above), found),
        size_rank_correlation=spearman(sizes, found),
        log_error=float(np.sqrt(np.mean(np.log(found / unseen) ** 2))),
    )


def predicted(fitted: Sequence[ScalingPoint], asked: Sequence[ScalingPoint], corpus_bytes: float) -> Array:
    """(n,) bits per byte of `asked` by a law fitted to `fitted`."""
    at = features(fitted, corpus_bytes)
    val_bpb = np.array([one.val_bpb for one in fitted])
    centre = centre_of(at)
    parameters = fit_parameters(at - centre, val_bpb, MEASURED, budget_weights(fitted))
    foretold: Array = np.exp(log_bpb(parameters, features(asked, corpus_bytes) - centre))
    return foretold


def _halves(points: Sequence[ScalingPoint]) -> tuple[list[int], list[int]]:
    """Indices of the points of either half of the trials, drawn once and for all."""
    trials = sorted({one.trial for one in points})
    order = np.random.default_rng(0).permutation(len(trials))
    first = {trials[index] for index in order[: len(trials) // 2]}
    inside = [index for index, one in enumerate(points) if one.trial in first]
    return inside, [index for index in range(len(points)) if index not in set(inside)]


def _same_gain(below: Sequence[ScalingPoint], above: Sequence[ScalingPoint]) -> Array:
    """(n,) each trial's last result below, moved along log FLOPs at the same rate for all."""
    curves: dict[tuple[str, float], list[ScalingPoint]] = {}
    for point in sorted(below, key=lambda one: one.train_flops):
        curves.setdefault(point.trial, []).append(point)
    rates = [_rate(curve[0], curve[-1]) for curve in curves.values() if len(budgets_of(curve)) > 1]
    rate = float(np.mean(rates or [_rate(curves[one.trial][-1], one) for one in above]))
    last = [curves[one.trial][-1] for one in above]
    return np.array(
        [
            before.val_bpb + rate * math.log(one.train_flops / before.train_flops)
            for before, one in zip(last, above, strict=True)
        ]
    )


def _rate(first: ScalingPoint, last: ScalingPoint) -> float:
    """Bits per byte per unit of log FLOPs."""
    return (last.val_bpb - first.val_bpb) / math.log(last.train_flops / first.train_flops)


def _accuracy(forecast: Array, found: Array) -> ForecastAccuracy:
    error = float(np.mean(np.abs(forecast - found)))
    return ForecastAccuracy(mean_error=error, rank_correlation=spearman(forecast, found))


def _geometric_mean(points: Sequence[ScalingPoint]) -> float:
    return math.exp(np.mean([math.log(one.train_flops) for one in points]))


def spearman(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return Spearman's rank correlation; 0 if one side is constant, where it is not defined."""
    from scipy.stats import spearmanr  # here: its import takes half a second

    if len(np.unique(first)) < 2 or len(np.unique(second)) < 2:
        return 0.0
    return float(spearmanr(first, second).statistic)
