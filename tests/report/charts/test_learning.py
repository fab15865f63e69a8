from __future__ import annotations

import math

import pytest

from nas.records.trial import CurvePoint, RungResult, TrialRecord
from nas.report.charts.learning import learning_figure, rung_flops, training_bpb
from tests.helpers.report_studies import ended, trial


def rung(index: int, flops: float, bpb: float) -> RungResult:
    return RungResult(
        rung=index, train_flops=flops, train_bytes=flops / 1e6, spent_flops=flops, fitness=bpb, val_bpb=bpb,
        collapse_rate=0.0,
    )  # fmt: skip


def climbed(number: int, *values: float) -> TrialRecord:
    rungs = tuple(rung(index, 1e12 * 3**index, bpb) for index, bpb in enumerate(values))
    points = (
        CurvePoint(train_flops=1e12, train_bytes=1e6, train_loss=6.0),
        CurvePoint(train_flops=2e12, train_bytes=2e6, train_loss=9.0, decay_of=0),
        CurvePoint(train_flops=3e12, train_bytes=3e6, train_loss=3.0, decay_of=len(values) - 1),
    )
    return trial(number, values[-1], 0, 0).model_copy(update={"rungs": rungs, "curve": points})


def test_loss_becomes_bits_per_byte_and_decays_of_lower_rungs_are_left_out() -> None:
    """A million tokens of three million bytes: 1 nat per token is 1 / 3 / ln 2 bits per byte."""
    points = training_bpb(climbed(0, 2.5, 2.0))
    assert [point.train_flops for point, _ in points] == [1e12, 3e12]
    assert [bpb for _, bpb in points] == pytest.approx([6 / 3 / math.log(2), 3 / 3 / math.log(2)])


def test_a_single_rung_is_not_drawn() -> None:
    assert rung_flops([climbed(0, 2.5)]) == []
    assert rung_flops([climbed(0, 2.5, 2.0), climbed(1, 2.6), ended(2, "fault", "x")]) == [1e12, 3e12]


def test_highlighted_trials_have_traces_of_their_own_and_each_point_has_its_trial() -> None:
    first, second, third = climbed(0, 2.5, 2.0), climbed(1, 2.6), climbed(2, 2.7)
    figure = learning_figure([first, second, third], [first])
    by_name = {trace.name: trace for trace in figure.data}
    rungs = by_name["trial 0, at rungs, validation"]
    assert list(rungs.y) == [2.5, 2.0, None]
    assert list(by_name["other trials, at rungs, validation"].customdata) == [1, None, 2, None]
    assert len(figure.layout.shapes) == 2, "a line for each rung"
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["FLOPs", "bytes"]
