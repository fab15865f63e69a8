from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from nas.scaling_law import parameters as parameters_module
from nas.scaling_law.fit import fit, shortcomings
from nas.scaling_law.fitted_law import NoLaw
from nas.scaling_law.law import PARAMETERS, ScalingPoint
from tests.helpers.laws import fit_law, make_accuracy, make_forecast_test, widen_priors
from tests.helpers.synthetic_trials import (
    BUDGETS,
    CORPUS_BYTES,
    evaluate,
    random_architectures,
    search,
    train,
    true_bpb,
)


def scaled(point: ScalingPoint, factor: float) -> ScalingPoint:
    return dataclasses.replace(point, val_bpb=factor * point.val_bpb)


def test_a_known_law_is_recovered_under_weak_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    widen_priors(monkeypatch, 10.0)
    law = fit_law(search(200, 0, 0.0), CORPUS_BYTES)
    value = dict(zip(PARAMETERS, law.parameters, strict=True))
    assert value["alpha"] == pytest.approx(0.4, abs=0.04)
    assert value["kappa"] == pytest.approx(0.15, abs=0.02)
    assert value["beta"] == pytest.approx(0.4, abs=0.04)
    assert value["epsilon"] == pytest.approx(0.2, abs=0.03)
    assert value["gamma"] == pytest.approx(0.25, abs=0.03)
    assert value["delta"] == pytest.approx(0.35, abs=0.04)
    assert math.exp(value["log_E"]) == pytest.approx(0.35, abs=0.05)
    effect = value["position_encoding=none"] - value["position_encoding=rope"]
    assert effect == pytest.approx(math.log(1.06 / 0.95), abs=0.02)
    assert law.is_trusted


def test_unseen_architectures_are_predicted_at_a_hundred_times_the_highest_budget() -> None:
    law = fit_law(search(60, 1, 0.005), CORPUS_BYTES)
    architectures = random_architectures(40, np.random.default_rng(7))
    unseen = [train(architecture, 100 * BUDGETS[-1]) for architecture in architectures]
    errors = np.log(law.predict_all(unseen) / np.array([true_bpb(training) for training in unseen]))
    assert np.abs(errors).mean() < 0.03


def test_intervals_cover_as_often_as_they_say() -> None:
    """Nine times in ten or more often, because the priors are slightly wrong about these synthetic trials."""
    covered = []
    for seed in range(8):
        law = fit_law(search(50, seed, 0.02), CORPUS_BYTES)
        rng = np.random.default_rng(1000 + seed)
        for architecture in random_architectures(25, rng):
            point = evaluate(train(architecture, 3 * BUDGETS[-1]), 0.02, rng)
            interval = law.interval(point)
            covered.append(interval.low <= point.val_bpb <= interval.high)
    assert np.mean(covered) >= 0.9


def test_a_law_depends_on_the_seed_and_not_on_the_order_of_points() -> None:
    points = search(30, 2, 0.01)
    law = fit(points, CORPUS_BYTES)
    assert fit(points[::-1], CORPUS_BYTES) == law
    assert fit(points, CORPUS_BYTES, seed=1) != law


def test_outliers_bend_the_law_far_less_than_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """One point in 17 has twice its bits per byte."""
    points = search(50, 3, 0.005)
    with_outliers = [scaled(point, 2.0) if index % 17 == 0 else point for index, point in enumerate(points)]
    architectures = random_architectures(40, np.random.default_rng(8))
    unseen = [train(architecture, BUDGETS[-1]) for architecture in architectures]
    honest = fit_law(points, CORPUS_BYTES).predict_all(unseen)
    assert abs(np.log(fit_law(with_outliers, CORPUS_BYTES).predict_all(unseen) / honest).mean()) < 0.03
    monkeypatch.setattr(parameters_module, "HUBER", 1e9)
    assert abs(np.log(fit_law(with_outliers, CORPUS_BYTES).predict_all(unseen) / honest).mean()) > 0.07


def test_a_law_of_random_bits_per_byte_is_not_trusted() -> None:
    rng = np.random.default_rng(5)
    points = [scaled(point, math.exp(0.3 * rng.standard_normal())) for point in search(40, 4, 0.0)]
    law = fit_law(points, CORPUS_BYTES)
    assert not law.is_trusted
    assert any("forecasts of unseen trials are wrong by" in reason for reason in law.shortcomings)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -1.0, 0.0])
def test_points_without_bits_per_byte_are_left_out(broken: float) -> None:
    points = search(30, 6, 0.01)
    diverged = dataclasses.replace(points[3], val_bpb=broken)
    assert fit([*points, diverged], CORPUS_BYTES) == fit(points, CORPUS_BYTES)


@pytest.mark.parametrize(
    ("points", "facts"),
    [
        ([], ["at least 8 trials, found 0"]),
        (search(7, 0, 0.01), ["at least 8 trials, found 7"]),
        (
            [dataclasses.replace(point, val_bpb=math.nan) for point in search(12, 0, 0.0, BUDGETS[:1])],
            ["at least 8 trials, found 0", "12 of 12 points have no finite bits per byte"],
        ),
        (search(30, 0, 0.01, BUDGETS[:1]), ["all trials were trained with the same FLOPs"]),
        (search(30, 0, 0.01, BUDGETS[:2])[:34], ["fewer than 5 trials were trained at two budgets"]),
    ],
)
def test_a_missing_law_has_a_reason(points: list[ScalingPoint], facts: list[str]) -> None:
    result = fit(points, CORPUS_BYTES)
    assert isinstance(result, NoLaw)
    assert all(fact in result.reason for fact in facts), result.reason
    assert ("finite" in result.reason) == (len(facts) == 2)


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({}, None),
        ({"num_trials": 19}, ["19 trials", "at least 20"]),
        ({"flops_span": 3.0}, ["3 times the lowest", "at least 8"]),
        ({"log_rmse": 0.0699}, None),
        ({"log_rmse": 0.0701}, ["at 4e+12 FLOPs", "wrong by 7.0%", "differ by 10.0%", "at most 0.7"]),
        ({"unseen": make_accuracy(rank_correlation=-0.1)}, ["at 4e+12 FLOPs", "does not rank unseen trials", "-0.10"]),
        ({"seen": make_accuracy(mean_absolute_error=0.1)}, ["at 4e+12 FLOPs", "error of 0.100", "below the 0.100"]),
    ],
)
def test_when_a_law_is_trusted(changes: dict[str, Any], facts: list[str] | None) -> None:
    figures = {"num_trials": 20, "flops_span": 9.0, "log_bpb_sd": 0.1}
    tested = make_forecast_test(**{key: value for key, value in changes.items() if key not in figures})
    figures |= {key: value for key, value in changes.items() if key in figures}
    reasons = shortcomings(int(figures["num_trials"]), figures["flops_span"], figures["log_bpb_sd"], tested)
    if facts is None:
        assert reasons == ()
    else:
        (reason,) = reasons
        assert all(fact in reason for fact in facts), reason
