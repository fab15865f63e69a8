from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.report.run.curves import ROLLED_BACK, X_AXES, learning_curves
from tests.helpers.report_runs import BATCH_TOKENS, FOUR, STEP_FLOPS, four, line, made_run


def trace(figure: Any, name: str, axis: str = "y") -> Any:
    traces = [trace for trace in figure.data if (trace.name, trace.yaxis) == (name, axis)]
    assert len(traces) == 1, [(trace.name, trace.yaxis) for trace in figure.data]
    return traces[0]


def test_the_curves_of_a_run_are_the_figures_of_its_log(tmp_path: Path) -> None:
    figure = learning_curves([made_run(tmp_path, four())])
    for name, axis, column in (
        ("training loss", "y2", 1),
        ("all lines", "y", 2),
        ("novel lines", "y", 3),
        ("learning rate", "y3", 4),
    ):
        curve = trace(figure, name, axis)
        assert list(curve.y) == [row[column] for row in FOUR]
        assert list(curve.x) == [row[0] * STEP_FLOPS for row in FOUR]
    assert len(figure.data) == 4
    assert figure.layout.yaxis.title.text == "validation bits per byte"
    assert figure.layout.yaxis2.title.text == "loss (nats per token)"
    assert figure.layout.yaxis3.title.text == "learning rate"
    assert figure.layout.xaxis3.title.text == "training FLOPs"
    assert {figure.layout.xaxis.type, figure.layout.xaxis2.type, figure.layout.xaxis3.type} == {"log"}


@pytest.mark.parametrize(
    ("name", "title", "scale", "each"),
    [
        ("FLOPs", "training FLOPs", "log", STEP_FLOPS),
        ("tokens", "training tokens", "log", BATCH_TOKENS),
        ("steps", "steps", "linear", 1),
    ],
)
def test_a_button_changes_the_x_of_every_trace_and_of_every_panel(
    tmp_path: Path, name: str, title: str, scale: str, each: float
) -> None:
    runs = [made_run(tmp_path / "a", four()), made_run(tmp_path / "b", four()[:2])]
    figure = learning_curves(runs)
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == list(X_AXES)
    (button,) = [button for button in menu.buttons if button.label == name]
    restyled, layout = button.args
    assert len(restyled["x"]) == len(figure.data)
    assert [list(x) for x in restyled["x"]] == [
        [each * step for step in (100, 200, 300, 400)[: len(curve.x)]] for curve in figure.data
    ]
    assert layout["xaxis3.title.text"] == title
    assert [layout[f"{axis}.type"] for axis in ("xaxis", "xaxis2", "xaxis3")] == [scale] * 3


def test_rollbacks_are_marked_at_the_step_that_they_return_to(tmp_path: Path) -> None:
    rollbacks = ((0, "the loss is nan at step 9"), (200, "the loss rose at step 240"), (200, "it <rose> again"))
    figure = learning_curves([made_run(tmp_path, [*four()[:3], line(*FOUR[3], *rollbacks)])])
    marks = trace(figure, ROLLED_BACK)
    assert list(zip(marks.x, marks.y, strict=True)) == [(100 * STEP_FLOPS, 3.5), (200 * STEP_FLOPS, 3.0)]
    assert "the start: the loss is nan at step 9" in marks.text[0]
    first, second = marks.text[1].split("<br>")
    assert "step 200: the loss rose at step 240" in first
    assert "step 200: it &lt;rose&gt; again" in second


@pytest.mark.parametrize("count", [0, 1])
def test_curves_of_few_evaluations(tmp_path: Path, count: int) -> None:
    figure = learning_curves([made_run(tmp_path, four()[:count])])
    assert [len(curve.x) for curve in figure.data] == [1] * 4 * count


def test_a_run_without_novel_lines_has_no_curve_of_them(tmp_path: Path) -> None:
    lines = [values | {"val_novel_bpb": None} for values in four()]
    assert "novel lines" not in [curve.name for curve in learning_curves([made_run(tmp_path, lines)]).data]


def test_each_of_several_runs_has_its_colour_in_every_panel(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / name, four()) for name in ("a", "<b>")]
    figure = learning_curves(runs)
    assert [curve.name for curve in figure.data if curve.yaxis == "y"] == [
        "a",
        "a, novel lines",
        "&lt;b&gt;",
        "&lt;b&gt;, novel lines",
    ]
    for axis in ("y", "y2", "y3"):
        a, b = trace(figure, "a", axis), trace(figure, "&lt;b&gt;", axis)
        assert a.line.color != b.line.color and a.marker.symbol != b.marker.symbol
        assert (a.legendgroup, b.legendgroup) == ("run 0", "run 1"), "a click hides a run in all panels"
    assert trace(figure, "a, novel lines").visible == "legendonly"


def test_runs_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / parent / "run", four()) for parent in ("one", "two")]
    names = {curve.name for curve in learning_curves(runs).data if curve.yaxis == "y3"}
    assert names == {str(tmp_path / "one" / "run"), str(tmp_path / "two" / "run")}
