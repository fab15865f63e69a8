from __future__ import annotations

import pytest

from nas.report.charts.prediction import predicted_curve, prediction_figure
from nas.scaling_law.fitted_law import TargetChoice, TargetComparison
from nas.scaling_law.law import TrainingPoint
from tests.helpers.laws import make_law
from tests.helpers.report_studies import architecture
from tests.report.charts.test_learning import climbed


def choice(width: int) -> TargetChoice:
    built = architecture(hidden_dim=width)
    at = make_law().interval(TrainingPoint(built, 1.0, 4e14, 4e8))
    return TargetChoice(
        architecture=built, vocabulary="bpe-1024", lr_multiplier=1.0, point={}, train_bytes=4e8, predicted=at
    )


def test_the_curve_ends_at_the_target_and_its_band_widens() -> None:
    law, best = make_law(), choice(96)
    curve = predicted_curve(law, best, 4e12, 4e14, steps=3)
    assert [flops for flops, _ in curve] == pytest.approx([4e12, 4e13, 4e14])
    middle = law.interval(TrainingPoint(best.architecture, 1.0, 4e13, 4e7))
    assert (curve[1][1].bpb, curve[1][1].low) == pytest.approx((middle.bpb, middle.low)), "bytes in proportion to FLOPs"
    assert curve[-1][1].bpb == pytest.approx(best.predicted.bpb)
    widths = [predicted.high / predicted.low for _, predicted in curve]
    assert widths == pytest.approx(sorted(widths)) and widths[0] < widths[-1]


def test_both_architectures_are_drawn_if_they_differ() -> None:
    at = TargetComparison(target_flops=4e14, best=choice(96), searched=choice(64), win_probability=0.8, shortcomings=())
    figure = prediction_figure(make_law(), at, [climbed(0, 2.5, 2.0)], None)
    assert {"90% interval", "predicted best", "best of the search"} <= {trace.name for trace in figure.data}
    same = at.model_copy(update={"searched": at.best})
    assert "best of the search" not in {trace.name for trace in prediction_figure(make_law(), same, [], None).data}
