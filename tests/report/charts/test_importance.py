from __future__ import annotations

import pytest

from nas.report.charts.importance import MIN_FOR_IMPORTANCE, importance_figure
from tests.helpers.report_studies import many, trial


def test_importances_need_trials_of_the_search() -> None:
    few = [one for one in many(MIN_FOR_IMPORTANCE) if not one.reference][: MIN_FOR_IMPORTANCE - 1]
    figure, reason = importance_figure([*few, trial(90, 2.0, 0, 0, reference="origin")])
    assert figure is None
    assert reason.startswith(f"Needs at least {MIN_FOR_IMPORTANCE} complete trials")


def test_importances_say_when_nothing_varies() -> None:
    figure, reason = importance_figure([trial(number, 2 + number / 100, 0, 0) for number in range(12)])
    assert figure is None
    assert "same architecture" in reason


def test_importances_find_the_dimension_that_decides() -> None:
    records = []
    for number in range(40):
        bpb, width = (1.5, 64) if number % 4 == 0 else (3.0, 128)
        records.append(trial(number, bpb + number / 1000, 0, 0, width, lr_multiplier=1.0 + number % 3))
    figure, caption = importance_figure(records)
    assert figure is not None
    shares = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["hidden_dim"] > shares["lr_multiplier"]
    assert "num_layers" not in shares, "a dimension with one value decides nothing"
    assert "hint" not in caption


def test_importances_of_few_trials_carry_a_warning() -> None:
    _, caption = importance_figure(many(20))
    assert "take the order as a hint" in caption
