"""The learning curves of full trainings, drawn from their logs: of one, or of several over each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nas.records.training import TrainingLine, TrainingRun
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREEN, GREY, GRID, ORANGE, PURPLE, RED, TEXT, styled
from nas.report.parts.words import fixed
from nas.report.run.words import labels, returned

HEIGHT = 820
LOSS_AXIS, RATE_AXIS = "loss (nats per token)", "learning rate"
WENT_BACK = "went back to here"
_BPB, _LOSS, _RATE = 1, 2, 3
"""The panels, from the top."""
_X_AXES = ("xaxis", "xaxis2", "xaxis3")
_COLOURS = (BLUE, ORANGE, PURPLE, GREEN, GREY)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon", "star")


@dataclass(frozen=True)
class _View:
    """What the x axis shows."""

    title: str
    scale: str
    exponents: str
    """How plotly writes large numbers: `power`, 10 to the n; `SI`, k and M."""
    value: Callable[[TrainingRun, TrainingLine], float]


VIEWS = {
    "FLOPs": _View("training FLOPs", "log", "power", lambda run, line: line.train_flops),
    "tokens": _View("training tokens", "log", "SI", lambda run, line: run.tokens_at(line)),
    "steps": _View("steps", "linear", "SI", lambda run, line: line.step),
}


@dataclass(frozen=True)
class _Curve:
    """A trace without x, and the lines of the log that its points are of."""

    panel: int
    run: TrainingRun
    lines: Sequence[TrainingLine]
    trace: go.Scatter

    def x(self, view: _View) -> list[float]:
        return [view.value(self.run, line) for line in self.lines]


def learning_curves(runs: Sequence[TrainingRun]) -> go.Figure:
    """Bits per byte, training loss and learning rate over one x axis, whose measure buttons below it choose.

    Of one run novel lines are drawn too; of several they are there, hidden until they are chosen in the legend.
    """
    curves = [
        curve
        for number, (run, label) in enumerate(zip(runs, labels(runs), strict=True))
        for curve in (_of_one(run) if len(runs) == 1 else _of_several(run, escape(label), number))
        if curve.lines
    ]
    first = VIEWS["FLOPs"]
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.48, 0.29, 0.23], vertical_spacing=0.05)
    for curve in curves:
        figure.add_trace(curve.trace.update(x=curve.x(first)), row=curve.panel, col=1)
    figure = styled(figure, "", "", height=HEIGHT)
    for panel, title in ((_BPB, BPB_AXIS), (_LOSS, LOSS_AXIS), (_RATE, RATE_AXIS)):
        figure.update_yaxes(title_text=title, row=panel, col=1)
    figure.update_yaxes(rangemode="tozero", exponentformat="power", row=_RATE, col=1)
    figure.update_layout({name.replace(".", "_"): value for name, value in _axis(first).items()})
    figure.update_layout(updatemenus=[_buttons(curves)], margin_b=124)
    return figure


def _of_one(run: TrainingRun) -> list[_Curve]:
    return [
        _curve(_BPB, run, [one.val_bpb for one in run.lines], "all lines", BLUE),
        _curve(_BPB, run, [one.val_novel_bpb for one in run.lines], "novel lines", ORANGE, symbol="square", dash="dot"),
        _curve(_LOSS, run, [one.train_loss for one in run.lines], "training loss", BLUE, showlegend=False),
        _curve(_RATE, run, [one.learning_rate for one in run.lines], "learning rate", GREY, showlegend=False),
        _marks(run),
    ]


def _of_several(run: TrainingRun, label: str, number: int) -> list[_Curve]:
    colour, symbol = _COLOURS[number % len(_COLOURS)], _SYMBOLS[number % len(_SYMBOLS)]
    hidden: dict[str, Any] = {"dash": "dot", "visible": "legendonly"}
    group: dict[str, Any] = {"symbol": symbol, "legendgroup": f"run {number}"}
    within = group | {"showlegend": False}
    novel = f"{label}, novel lines"
    return [
        _curve(_BPB, run, [one.val_bpb for one in run.lines], label, colour, **group),
        _curve(_BPB, run, [one.val_novel_bpb for one in run.lines], novel, colour, symbol=symbol, **hidden),
        _curve(_LOSS, run, [one.train_loss for one in run.lines], label, colour, **within),
        _curve(_RATE, run, [one.learning_rate for one in run.lines], label, colour, **within),
        _marks(run, f"{label} {WENT_BACK}"),
    ]


def _curve(
    panel: int,
    run: TrainingRun,
    values: Sequence[float | None],
    name: str,
    colour: str,
    *,
    symbol: str = "circle",
    dash: str = "solid",
    **more: Any,
) -> _Curve:
    """Without points where there is no value at all."""
    known = [one is not None for one in values]
    trace = go.Scatter(
        y=list(values),
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": dash},
        marker={"size": 6, "symbol": symbol},
        text=[_hover(run, line) for line in run.lines],
        hovertemplate="%{text}<extra></extra>",
        **more,
    )
    return _Curve(panel, run, run.lines if any(known) else (), trace)


def _marks(run: TrainingRun, name: str = WENT_BACK) -> _Curve:
    """Where it was taken back to: the last line at or before that step, or the first where it began anew."""
    marked: dict[int, list[str]] = {}
    for rollback in run.rollbacks:
        index = max((place for place, line in enumerate(run.lines) if line.step <= rollback.to_step), default=0)
        marked.setdefault(index, []).append(f"went back {escape(returned(rollback))}")
    lines = [run.lines[index] for index in marked]
    trace = go.Scatter(
        y=[line.val_bpb for line in lines],
        name=name,
        mode="markers",
        marker={"symbol": "x-thin", "size": 12, "line": {"width": 3, "color": RED}},
        text=["<br>".join(reasons) for reasons in marked.values()],
        hovertemplate="%{text}<extra></extra>",
    )
    return _Curve(_BPB, run, lines, trace)


def _hover(run: TrainingRun, line: TrainingLine) -> str:
    return (
        f"<b>{escape(run.name)}, step {line.step:,}</b><br>"
        f"{fixed(line.val_bpb, 4)} bits per byte, {fixed(line.val_novel_bpb, 4)} on novel lines<br>"
        f"training loss {line.train_loss:.3f}, learning rate {line.learning_rate:.2e}"
    )


def _axis(view: _View) -> dict[str, Any]:
    """The layout of a view in plotly's dotted names; the panels share their x axis, whose words stand lowest."""
    scales = {f"{axis}.{key}": value for axis in _X_AXES for key, value in (("type", view.scale), ("autorange", True))}
    return scales | {f"{_X_AXES[-1]}.title.text": view.title, f"{_X_AXES[-1]}.exponentformat": view.exponents}


def _buttons(curves: Sequence[_Curve]) -> dict[str, Any]:
    buttons = [
        {"label": name, "method": "update", "args": [{"x": [curve.x(view) for curve in curves]}, _axis(view)]}
        for name, view in VIEWS.items()
    ]
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "x": 0,
        "xanchor": "left",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 64},
        "font": {"color": TEXT},
        "bgcolor": "rgba(0,0,0,0)",
        "bordercolor": GRID,
    }
