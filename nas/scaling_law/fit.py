"""A scaling law for the trials of a study, with a verdict on whether to believe it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.scaling_law.fitted import Forecast, NoLaw, ScalingLaw
from nas.scaling_law.forecast import MIN_FORECASTS, budgets_of, forecast
from nas.scaling_law.law import Array, ScalingPoint, centre_of, features, log_bpb
from nas.scaling_law.parameters import MEASURED, budget_weights, fit_parameters

MIN_TRIALS = 8
"""With fewer no law is fitted at all."""
TRUSTED_TRIALS = 20
MIN_FLOPS_SPAN = 8.0
MAX_ERROR = 0.7
"""Of a forecast over the spread between trials: at it, half of the variance is foretold, as 1 - 0.7^2 = 0.51."""
NUM_DRAWS = 40


def fit(points: Sequence[ScalingPoint], corpus_bytes: float, seed: int = 0) -> ScalingLaw | NoLaw:
    """The law of the points, all budgets together, or why there is none.

    A point without finite bits per byte, of a training that diverged, is left out. Equal points and seed, equal law;
    their order does not matter.
    """
    usable = sorted(
        (one for one in points if math.isfinite(one.val_bpb) and one.val_bpb > 0),
        key=lambda one: (one.train_flops, one.trial, one.val_bpb),
    )
    trials = sorted({one.trial for one in usable})
    if len(trials) < MIN_TRIALS:
        without = f" with finite bits per byte (of {len(points)} points {len(points) - len(usable)} have none)"
        few = f"{len(trials)} trials{without if len(usable) < len(points) else ''}"
        return NoLaw(reason=f"{few}: a scaling law takes at least {MIN_TRIALS}")
    budgets = budgets_of(usable)
    if len(budgets) < 2:
        return NoLaw(reason="all trials were trained with the same FLOPs: what more training brings cannot be seen")
    tested = forecast(usable, corpus_bytes)
    if tested is None:
        return NoLaw(reason=f"fewer than {MIN_FORECASTS} trials were trained at two budgets: no forecast can be tested")
    at = features(usable, corpus_bytes)
    centre = centre_of(at)
    val_bpb = np.array([one.val_bpb for one in usable])
    parameters = fit_parameters(at - centre, val_bpb, MEASURED, budget_weights(usable))
    draws = _draws(usable, at - centre, parameters, seed)
    residuals = np.log(val_bpb) - log_bpb(parameters, at - centre)
    span = budgets[-1][-1].train_flops / budgets[0][0].train_flops
    spread = _spread(usable)
    return ScalingLaw(
        corpus_bytes=corpus_bytes,
        centre=tuple(map(float, centre)),
        parameters=tuple(map(float, parameters)),
        draws=tuple(tuple(float(f"{one:.5g}") for one in draw) for draw in draws),
        num_trials=len(trials),
        num_points=len(usable),
        flops_span=span,
        residual=float(np.sqrt(np.mean(residuals**2))),
        spread=spread,
        forecast=tested,
        shortcomings=shortcomings(len(trials), span, spread, tested),
    )


def shortcomings(num_trials: int, flops_span: float, spread: float, tested: Forecast) -> tuple[str, ...]:
    """Why a law is not to be believed, a line each; nothing where it holds.

    It holds when there are enough trials over enough FLOPs, when it foretells at least half of the variance of log bpb
    between trials it has not seen at a budget it has not seen, and when it does so better than the trial's own result
    below with the same gain for all.
    """
    found = []
    if num_trials < TRUSTED_TRIALS:
        found.append(f"{num_trials} trials are few: {TRUSTED_TRIALS} at least")
    if flops_span < MIN_FLOPS_SPAN:
        found.append(f"the budgets span a factor of {flops_span:.3g}: {MIN_FLOPS_SPAN:g} at least")
    budget = f"at {tested.train_flops:.2g} FLOPs"
    if tested.log_error > MAX_ERROR * spread:
        found.append(
            f"{budget} its forecasts of unseen trials are off by {tested.log_error:.1%}, where trials differ by "
            f"{spread:.1%}: at most {MAX_ERROR:g} of that"
        )
    if tested.unseen.rank_correlation <= 0:
        found.append(f"{budget} it does not rank unseen trials: {tested.unseen.rank_correlation:.2f} by Spearman")
    if tested.seen.mean_error >= tested.same_gain.mean_error:
        found.append(
            f"{budget} it is off by {tested.seen.mean_error:.3f} bits per byte, no less than "
            f"{tested.same_gain.mean_error:.3f} of the same gain for all"
        )
    return tuple(found)


def _spread(points: Sequence[ScalingPoint]) -> float:
    """Standard deviation of log bpb between trials, each at its lowest budget: the higher ones keep the good alone."""
    first: dict[tuple[str, float], float] = {}
    for point in points:  # by FLOPs
        first.setdefault(point.trial, math.log(point.val_bpb))
    return float(np.std(list(first.values())))


def _draws(points: Sequence[ScalingPoint], at: Array, parameters: Array, seed: int) -> list[Array]:
    """Parameters fitted again and again, with other weights of the trials and other means of the priors.

    The Bayesian bootstrap (Rubin 1981): exponential weights, one a trial, as its points are not independent. Priors
    that stood still would hold what the points leave open to one value.
    """
    rng = np.random.default_rng(seed)
    trials = {trial: index for index, trial in enumerate(sorted({one.trial for one in points}))}
    of = [trials[one.trial] for one in points]
    val_bpb, late = np.array([one.val_bpb for one in points]), budget_weights(points)
    found = []
    for _ in range(NUM_DRAWS):
        weights = rng.exponential(size=len(trials))[of] * late
        found.append(fit_parameters(at, val_bpb, MEASURED.drawn(rng), weights, parameters))
    return found
