"""The learning curves of a study's trials over FLOPs or bytes, with their scores at the rungs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median_high
from typing import Any

import numpy as np
import plotly.graph_objects as go

from nas.records.trial import CurvePoint, RungResult, TrialRecord, completed
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREY, PURPLE, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, hover
from nas.report.parts.words import title

TRAINING, RUNGS = "training", "at rungs, validation"
_Y_SHARE = 0.93
"""The y axis ends at this share of all values: above it curves fall steeply from one height."""


@dataclass(frozen=True)
class XAxis:
    """Quantity on the x axis."""

    title: str
    value_of_point: Callable[[CurvePoint], float]
    value_of_rung: Callable[[RungResult], float | None]


X_AXES = {
    "FLOPs": XAxis("training FLOPs", lambda point: point.train_flops, lambda rung: rung.train_flops),
    "bytes": XAxis("bytes of text read", lambda point: point.train_bytes, lambda rung: rung.train_bytes),
}


@dataclass
class _Line:
    """The points of many trials in one trace, with a gap after each trial."""

    x: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in X_AXES})
    y: list[float | None] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    words: list[str | None] = field(default_factory=list)

    def add(self, record: TrialRecord, xs: Sequence[Sequence[float | None]], ys: Sequence[float]) -> None:
        if not ys:
            return
        for name, values in zip(X_AXES, xs, strict=True):
            self.x[name] += [*map(_rounded, values), None]
        self.y += [*map(_rounded, ys), None]
        self.numbers += [record.number] * len(ys) + [None]
        self.words += [hover(record)] * len(ys) + [None]


def _rounded(value: float | None) -> float | None:
    """Return the value in five digits, because a page holds thousands of points."""
    return None if value is None else float(f"{value:.5g}")


def learning_figure(records: Sequence[TrialRecord], highlighted: Sequence[TrialRecord]) -> go.Figure:
    """Draw all trials in thin grey and `highlighted` in colour: lines for training, dots for the rungs' validation."""
    numbers = {record.number for record in highlighted}
    rest = [record for record in records if record.number not in numbers]
    groups: list[tuple[str, Sequence[TrialRecord], str, float]] = [("other trials", rest, GREY, 1.0)]
    for record, colour in zip(highlighted, (BLUE, PURPLE), strict=False):
        groups.append((title(record), [record], colour, 2.2))
    traces, lines = [], []
    for name, group, colour, width in groups:
        for line, trace in _group_traces(name, group, colour, width):
            if line.y:
                lines.append(line)
                traces.append(trace)
    rungs = rung_flops(records)
    figure = go.Figure(traces)
    styled(figure, X_AXES["FLOPs"].title, BPB_AXIS.replace("validation ", ""), height=520)
    figure.update_xaxes(type="log", dtick="D2", exponentformat="power")
    for flops in rungs:
        figure.add_vline(x=flops, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_layout(updatemenus=[_buttons(lines, len(rungs))], margin_b=110)
    _limit_y(figure, lines)
    return figure


def best_and_reference(records: Sequence[TrialRecord], best: TrialRecord | None) -> list[TrialRecord]:
    """Return the trials to highlight: the best one and the best reference."""
    reference = next((record for record in completed(records) if record.reference), None)
    return [record for record in (best, reference) if record is not None]


def training_bpb(record: TrialRecord) -> list[tuple[CurvePoint, float]]:
    """Return the points of the trunk and of the last decay, with the training loss in bits per byte.

    Bits per byte compare across vocabularies, nats per token do not. There are no points if the bytes are unknown.
    """
    cost = record.cost
    if cost is None or not cost.train_bytes:
        return []
    scale = cost.train_tokens / cost.train_bytes / math.log(2)
    last = len(record.rungs) - 1
    return [(point, scale * point.train_loss) for point in record.curve if point.decay_of in (None, last)]


def rung_flops(records: Sequence[TrialRecord]) -> list[float]:
    """Return the median FLOPs of each rung, as trainings take whole steps; nothing for a study with one rung."""
    by_rung: dict[int, list[float]] = {}
    for record in records:
        for result in record.rungs:
            by_rung.setdefault(result.rung, []).append(result.train_flops)
    medians = [median_high(flops) for _, flops in sorted(by_rung.items())]
    return medians if len(medians) > 1 else []


def _group_traces(name: str, group: Sequence[TrialRecord], colour: str, width: float) -> list[tuple[_Line, go.Scatter]]:
    training, rungs = _Line(), _Line()
    for record in group:
        points = sorted(training_bpb(record), key=lambda pair: pair[0].train_flops)
        training.add(
            record,
            [[axis.value_of_point(point) for point, _ in points] for axis in X_AXES.values()],
            [bpb for _, bpb in points],
        )
        rungs.add(
            record,
            [[axis.value_of_rung(result) for result in record.rungs] for axis in X_AXES.values()],
            [result.val_bpb for result in record.rungs],
        )
    faint = colour == GREY
    common: dict[str, Any] = {"hovertemplate": HOVER_OF_TRIAL, "legendgroup": name}
    return [
        (
            training,
            go.Scatter(
                x=training.x["FLOPs"], y=training.y, customdata=training.numbers, text=training.words, mode="lines",
                line={"color": colour, "width": width}, opacity=0.35 if faint else 1.0, name=f"{name}, {TRAINING}",
                **common,
            ),
        ),
        (
            rungs,
            go.Scatter(
                x=rungs.x["FLOPs"], y=rungs.y, customdata=rungs.numbers, text=rungs.words, mode="lines+markers",
                line={"color": colour, "width": width, "dash": "dot"},
                marker={"size": 7 if faint else 10, "color": colour, "line": {"width": 1, "color": "white"}},
                opacity=0.7 if faint else 1.0, name=f"{name}, {RUNGS}", **common,
            ),
        ),
    ]  # fmt: skip


def _limit_y(figure: go.Figure, lines: Sequence[_Line]) -> None:
    """Limit the y axis to what trials learn after their first steps."""
    values = [value for line in lines for value in line.y if value is not None]
    if values:
        low, high = min(values), float(np.quantile(values, _Y_SHARE, method="lower"))
        figure.update_yaxes(range=[low - 0.05 * (high - low), high + 0.05 * (high - low)])


def _buttons(lines: Sequence[_Line], num_rungs: int) -> dict[str, Any]:
    """Return the buttons for FLOPs and bytes; the lines of the rungs are FLOPs, so that bytes hide them."""
    buttons = [
        {
            "label": name,
            "method": "update",
            "args": [
                {"x": [line.x[name] for line in lines]},
                {
                    "xaxis.title.text": axis.title,
                    "xaxis.autorange": True,
                    **{f"shapes[{index}].visible": name == "FLOPs" for index in range(num_rungs)},
                },
                list(range(len(lines))),
            ],
        }
        for name, axis in X_AXES.items()
    ]
    return {
        "type": "buttons",
        "direction": "right",
        "buttons": buttons,
        "x": 0,
        "xanchor": "left",
        "y": -0.2,
        "yanchor": "top",
        "pad": {"t": 8},
    }
