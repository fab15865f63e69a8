from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from experiments.scaling_law.signal_points import (
    MAX_KNOWN_FLOPS,
    corpus_bytes,
    longer_points,
    reference_points,
    signal_points,
)
from nas.scaling_law import forecast as forecast_module
from nas.scaling_law.forecast import (
    fit_and_predict,
    forecast_highest_budget,
    group_by_budget,
    score_forecast,
    spearman,
)
from nas.scaling_law.law import ScalingPoint
from nas.scaling_law.parameters import PUBLISHED
from tests.helpers.laws import fit_law, widen_priors
from tests.helpers.synthetic_trials import BUDGETS, CORPUS_BYTES, random_architectures, search


def test_budgets_that_differ_by_whole_steps_are_one() -> None:
    points = search(12, 0, 0.0)
    nudged = [
        dataclasses.replace(point, train_flops=point.train_flops * (1 - 0.03 * (index % 2)))
        for index, point in enumerate(points)
    ]
    assert [len(budget) for budget in group_by_budget(nudged)] == [12, 5, 5]
    assert [len(budget) for budget in group_by_budget(nudged[::-1])] == [12, 5, 5]


def test_forecasts_of_unseen_trials_come_from_laws_fitted_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def record_call(known: Sequence[ScalingPoint], targets: Sequence[ScalingPoint], corpus: float) -> Any:
        calls.append(({point.trial for point in known}, {point.trial for point in targets}))
        return np.array([point.val_bpb for point in targets])

    monkeypatch.setattr(forecast_module, "fit_and_predict", record_call)
    tested = forecast_highest_budget(search(30, 0, 0.01), CORPUS_BYTES)
    assert tested is not None and tested.unseen.mean_absolute_error == 0.0
    (known_first, first), (known_second, second), (known_all, targets) = calls
    assert not known_first & first and not known_second & second
    assert first | second == targets <= known_all
    assert len(first) == 2 and len(second) == 3  # five trials reached the top


def test_a_forecast_does_not_use_the_budget_that_it_predicts() -> None:
    points = search(30, 0, 0.01)
    tripled = [
        dataclasses.replace(point, val_bpb=3 * point.val_bpb) if point.train_flops == BUDGETS[-1] else point
        for point in points
    ]
    honest = forecast_highest_budget(points, CORPUS_BYTES)
    spoilt = forecast_highest_budget(tripled, CORPUS_BYTES)
    assert honest is not None and spoilt is not None
    # Three times the results and the same forecasts: each error grows by twice the result.
    growth = np.mean([2 * point.val_bpb for point in points if point.train_flops == BUDGETS[-1]])
    difference = spoilt.same_gain.mean_absolute_error - honest.same_gain.mean_absolute_error
    assert difference == pytest.approx(growth, abs=0.2)
    assert spoilt.log_rmse == pytest.approx(math.log(3), abs=0.05)


def test_the_same_gain_for_all_by_hand() -> None:
    """Two trials gain 0.3 and 0.1 from 1 to e: 0.2 per unit of log FLOPs. From e to e^2 they gain 0.1 and 0.2."""
    first, second = random_architectures(2, np.random.default_rng(0))
    results = {first: (2.0, 1.7, 1.6), second: (1.9, 1.8, 1.6)}
    points = [
        ScalingPoint(architecture, 1.0, math.exp(index), 1e5 * math.exp(index), value)
        for architecture, values in results.items()
        for index, value in enumerate(values)
    ]
    above = [point for point in points if point.train_flops > 7]
    tested = score_forecast([point for point in points if point.train_flops < 7], above, CORPUS_BYTES)
    # Forecasts are 1.5 and 1.6, results 1.6 twice.
    assert tested.same_gain.mean_absolute_error == pytest.approx(0.05)
    assert tested.flops_ratio == pytest.approx(math.e)
    # From e to e^2 alone the gain is known with hindsight only: 0.15 each, so forecasts are 1.55 and 1.65.
    middle = [point for point in points if 2 < point.train_flops < 7]
    assert score_forecast(middle, above, CORPUS_BYTES).same_gain.mean_absolute_error == pytest.approx(0.05)


def test_forty_trials_predict_trainings_with_ten_times_their_flops() -> None:
    above = longer_points()
    val_bpb = np.array([point.val_bpb for point in above])
    predicted = fit_and_predict(reference_points(), above, corpus_bytes())
    assert len(above) == 20
    assert np.abs(predicted - val_bpb).mean() < 0.06
    assert spearman(predicted, val_bpb) > 0.5


def test_most_intervals_of_forty_trials_cover_trainings_with_ten_times_their_flops() -> None:
    law = fit_law(reference_points(), corpus_bytes())
    intervals = [(law.interval(point), point.val_bpb) for point in longer_points()]
    assert np.mean([interval.low < val_bpb < interval.high for interval, val_bpb in intervals]) > 0.75


def test_priors_from_another_corpus_improve_predictions_of_ten_times_the_flops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    above = longer_points()
    val_bpb = np.array([point.val_bpb for point in above])

    def accuracy() -> tuple[float, float]:
        predicted = fit_and_predict(reference_points(), above, corpus_bytes())
        return float(np.abs(predicted - val_bpb).mean()), spearman(predicted, val_bpb)

    error, correlation = accuracy()
    monkeypatch.setattr(forecast_module, "MEASURED", PUBLISHED)
    published_error, published_correlation = accuracy()
    assert published_error > 1.2 * error and published_correlation < correlation - 0.2


def test_wider_priors_of_effects_predict_other_trials_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict the forty trials of the reference study from the 24 architectures of the signal study."""
    below = [point for point in signal_points() if point.train_flops <= MAX_KNOWN_FLOPS]
    others = reference_points()
    val_bpb = np.array([point.val_bpb for point in others])

    def error() -> float:
        return float(np.abs(fit_and_predict(below, others, corpus_bytes()) - val_bpb).mean())

    narrow = error()
    widen_priors(monkeypatch, 5.0, effects_only=True)
    assert error() > 1.2 * narrow


def test_spearman_by_hand() -> None:
    # No ties: 1 - 6 sum d^2 / (n (n^2 - 1)), d = 0, 1, -1, 0.
    assert spearman(np.array([1, 2, 3, 4]), np.array([10, 30, 20, 40])) == pytest.approx(1 - 6 * 2 / (4 * 15))
    # A tie: ranks 1, 2.5, 2.5 and 1, 2, 3.
    assert spearman(np.array([1, 2, 2]), np.array([1, 2, 3])) == pytest.approx(1.5 / (1.5 * 2) ** 0.5)


def test_a_constant_has_no_rank_correlation_and_no_warning() -> None:
    assert spearman(np.array([1, 1, 1]), np.array([1, 2, 3])) == 0.0
    assert spearman(np.array([1, 2, 3]), np.array([0.5, 0.5, 0.5])) == 0.0
