"""The learning curves of full trainings, from their logs: one run, or several in one chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nas.records.training import TrainingLine, TrainingRun
from nas.report.parts.drawing import (
    BLUE,
    BPB_AXIS,
    GREY,
    GRID,
    ORANGE,
    RED,
    SERIES_COLOURS,
    SERIES_SYMBOLS,
    TEXT,
    styled,
)
from nas.report.parts.words import fixed
from nas.report.run.summary import labels, rollback_words

HEIGHT = 820
LOSS_AXIS, RATE_AXIS = "loss (nats per token)", "learning rate"
ROLLED_BACK = "rolled back to here"
_BPB, _LOSS, _RATE = 1, 2, 3
"""The panels, from top to bottom."""
_PANEL_X_AXES = ("xaxis", "xaxis2", "xaxis3")


@dataclass(frozen=True)
class _XAxis:
    """Quantity on the x axis."""

    title: str
    scale: str
    exponents: str
    """How plotly writes large numbers: `power` is 10 to the n, `SI` is k and M."""
    value: Callable[[TrainingRun, TrainingLine], float]


X_AXES = {
    "FLOPs": _XAxis("training FLOPs", "log", "power", lambda run, line: line.train_flops),
    "tokens": _XAxis("training tokens", "log", "SI", lambda run, line: run.tokens_at(line)),
    "steps": _XAxis("steps", "linear", "SI", lambda run, line: line.step),
}


@dataclass(frozen=True)
class _Curve:
    """A trace without x, and the lines of the log that are its points."""

    panel: int
    run: TrainingRun
    lines: Sequence[TrainingLine]
    trace: go.Scatter

    def x(self, x_axis: _XAxis) -> list[float]:
        return [x_axis.value(self.run, line) for line in self.lines]


def learning_curves(runs: Sequence[TrainingRun]) -> go.Figure:
    """Draw bits per byte, training loss and learning rate over one x axis; buttons below choose what it shows.

    The curve of novel lines is drawn for one run; for several it is hidden until it is chosen in the legend.
    """
    curves = [
        curve
        for number, (run, label) in enumerate(zip(runs, labels(runs), strict=True))
        for curve in (_single_run(run) if len(runs) == 1 else _one_of_several(run, escape(label), number))
        if curve.lines
    ]
    first = X_AXES["FLOPs"]
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, row_heights=[0.48, 0.29, 0.23], vertical_spacing=0.05)
    for curve in curves:
        figure.add_trace(curve.trace.update(x=curve.x(first)), row=curve.panel, col=1)
    figure = styled(figure, "", "", height=HEIGHT)
    for panel, title in ((_BPB, BPB_AXIS), (_LOSS, LOSS_AXIS), (_RATE, RATE_AXIS)):
        figure.update_yaxes(title_text=title, row=panel, col=1)
    figure.update_yaxes(rangemode="tozero", exponentformat="power", row=_RATE, col=1)
    figure.update_layout({name.replace(".", "_"): value for name, value in _layout(first).items()})
    figure.update_layout(updatemenus=[_buttons(curves)], margin_b=124)
    return figure


def _single_run(run: TrainingRun) -> list[_Curve]:
    return [
        _curve(_BPB, run, [line.val_bpb for line in run.lines], "all lines", BLUE),
        _curve(
            _BPB, run, [line.val_novel_bpb for line in run.lines], "novel lines", ORANGE, symbol="square", dash="dot"
        ),
        _curve(_LOSS, run, [line.train_loss for line in run.lines], "training loss", BLUE, showlegend=False),
        _curve(_RATE, run, [line.learning_rate for line in run.lines], "learning rate", GREY, showlegend=False),
        _rollbacks(run),
    ]


def _one_of_several(run: TrainingRun, label: str, number: int) -> list[_Curve]:
    colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
    symbol = SERIES_SYMBOLS[number % len(SERIES_SYMBOLS)]
    hidden: dict[str, Any] = {"dash": "dot", "visible": "legendonly"}
    group: dict[str, Any] = {"symbol": symbol, "legendgroup": f"run {number}"}
    within = group | {"showlegend": False}
    novel = f"{label}, novel lines"
    return [
        _curve(_BPB, run, [line.val_bpb for line in run.lines], label, colour, **group),
        _curve(_BPB, run, [line.val_novel_bpb for line in run.lines], novel, colour, symbol=symbol, **hidden),
        _curve(_LOSS, run, [line.train_loss for line in run.lines], label, colour, **within),
        _curve(_RATE, run, [line.learning_rate for line in run.lines], label, colour, **within),
        _rollbacks(run, f"{label} {ROLLED_BACK}"),
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
    return _Curve(panel, run, run.lines if any(value is not None for value in values) else (), trace)


def _rollbacks(run: TrainingRun, name: str = ROLLED_BACK) -> _Curve:
    """Mark the last line at or before the step of each rollback; the first line for a rollback to the start."""
    reasons: dict[int, list[str]] = {}
    for rollback in run.rollbacks:
        index = max((number for number, line in enumerate(run.lines) if line.step <= rollback.to_step), default=0)
        reasons.setdefault(index, []).append(f"rolled back {escape(rollback_words(rollback))}")
    lines = [run.lines[index] for index in reasons]
    trace = go.Scatter(
        y=[line.val_bpb for line in lines],
        name=name,
        mode="markers",
        marker={"symbol": "x-thin", "size": 12, "line": {"width": 3, "color": RED}},
        text=["<br>".join(words) for words in reasons.values()],
        hovertemplate="%{text}<extra></extra>",
    )
    return _Curve(_BPB, run, lines, trace)


def _hover(run: TrainingRun, line: TrainingLine) -> str:
    return (
        f"<b>{escape(run.name)}, step {line.step:,}</b><br>"
        f"{fixed(line.val_bpb, 4)} bits per byte, {fixed(line.val_novel_bpb, 4)} on novel lines<br>"
        f"training loss {line.train_loss:.3f}, learning rate {line.learning_rate:.2e}"
    )


def _layout(x_axis: _XAxis) -> dict[str, Any]:
    """Return the layout of the panels' common x axis in plotly's dotted names; its title is below the last panel."""
    last = _PANEL_X_AXES[-1]
    return {
        **{f"{axis}.type": x_axis.scale for axis in _PANEL_X_AXES},
        **{f"{axis}.autorange": True for axis in _PANEL_X_AXES},
        f"{last}.title.text": x_axis.title,
        f"{last}.exponentformat": x_axis.exponents,
    }


def _buttons(curves: Sequence[_Curve]) -> dict[str, Any]:
    buttons = [
        {"label": name, "method": "update", "args": [{"x": [curve.x(x_axis) for curve in curves]}, _layout(x_axis)]}
        for name, x_axis in X_AXES.items()
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
