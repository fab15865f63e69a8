from __future__ import annotations

import pytest

from nas.report.charts.importance import MIN_FOR_IMPORTANCE, OBJECTIVES, importance_figure, importances
from tests.helpers.report_studies import many, trial


def test_importances_need_trials_of_the_search() -> None:
    few = [record for record in many(MIN_FOR_IMPORTANCE) if not record.reference][: MIN_FOR_IMPORTANCE - 1]
    result = importances([*few, trial(90, 2.0, 0, 0, reference="origin")])
    assert result.shares == {}
    assert f"at least {MIN_FOR_IMPORTANCE} complete trials" in result.caption


def test_importances_say_when_nothing_varies() -> None:
    result = importances([trial(number, 2 + number / 100, 0, 0) for number in range(12)])
    assert result.shares == {}
    assert "same architecture" in result.caption


def test_importances_find_the_dimension_that_decides() -> None:
    records = []
    for number in range(40):
        bpb, width = (1.5, 64) if number % 4 == 0 else (3.0, 128)
        records.append(trial(number, bpb + number / 1000, 0, 0, width, lr_multiplier=1.0 + number % 3))
    result = importances(records)
    shares = result.shares["bits per byte"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["hidden_dim"] > shares["lr_multiplier"]
    assert "num_layers" not in shares, "a dimension with one value decides nothing"
    assert "collapse rate" not in result.shares, "an objective with one value depends on nothing"
    assert not result.is_hint


def test_importances_of_few_trials_carry_a_warning() -> None:
    result = importances(many(20))
    assert result.is_hint and "hint" in result.caption


def test_bars_are_sorted_by_the_first_objective() -> None:
    figure = importance_figure({"fitness": {"a": 0.2, "b": 0.8}, "bits per byte": {"a": 0.7, "b": 0.3}})
    assert [list(bars.y) for bars in figure.data] == [["b", "a"]] * 2
    assert [list(bars.x) for bars in figure.data] == [[0.8, 0.2], [0.3, 0.7]]
    assert {bars.name for bars in figure.data} <= set(OBJECTIVES)
