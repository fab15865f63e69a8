"""The learning curves of a study's trials against FLOPs or bytes, with what they scored at their rungs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from nas.records.study import CurvePoint, RungResult, TrialRecord, completed
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREY, PURPLE, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, hover
from nas.report.parts.words import title

TRAINING, RUNGS = "training", "at rungs, validation"


@dataclass(frozen=True)
class View:
    """What the x axis shows."""

    title: str
    of_point: Callable[[CurvePoint], float]
    of_rung: Callable[[RungResult], float | None]


VIEWS = {
    "FLOPs": View("training FLOPs", lambda one: one.train_flops, lambda one: one.train_flops),
    "bytes": View("bytes of text read", lambda one: one.train_bytes, lambda one: one.train_bytes),
}


@dataclass
class _Line:
    """Points of many trials in one trace, with a gap after each."""

    x: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in VIEWS})
    y: list[float | None] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    words: list[str | None] = field(default_factory=list)

    def add(self, record: TrialRecord, xs: Sequence[Sequence[float | None]], ys: Sequence[float]) -> None:
        if not ys:
            return
        for name, values in zip(VIEWS, xs, strict=True):
            self.x[name] += [*map(_rounded, values), None]
        self.y += [*map(_rounded, ys), None]
        self.numbers += [record.number] * len(ys) + [None]
        self.words += [hover(record)] * len(ys) + [None]


def _rounded(value: float | None) -> float | None:
    """To five digits: thousands of points stand in the page."""
    return None if value is None else float(f"{value:.5g}")


def learning_figure(records: Sequence[TrialRecord], marked: Sequence[TrialRecord]) -> go.Figure:
    """Thin grey lines: all trials in training; dots: validation at the rungs; those of `marked` in colour."""
    numbers = {one.number for one in marked}
    rest = [one for one in records if one.number not in numbers]
    groups: list[tuple[str, Sequence[TrialRecord], str, float]] = [("other trials", rest, GREY, 1.0)]
    for one, colour in zip(marked, (BLUE, PURPLE), strict=False):
        groups.append((title(one), [one], colour, 2.2))
    traces, lines = [], []
    for name, group, colour, width in groups:
        for line, trace in _of_group(name, group, colour, width):
            if line.y:
                lines.append(line)
                traces.append(trace)
    figure = go.Figure(traces)
    styled(figure, VIEWS["FLOPs"].title, BPB_AXIS.replace("validation ", ""), height=520)
    figure.update_xaxes(type="log", dtick="D2", exponentformat="power")
    for flops in rung_flops(records):
        figure.add_vline(x=flops, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.update_layout(updatemenus=[_buttons(lines, len(rung_flops(records)))], margin_b=110)
    _focus(figure, lines)
    return figure


def training_bpb(record: TrialRecord) -> list[tuple[CurvePoint, float]]:
    """Points of the trunk and of the last decay with the training loss in bits per byte, which compare across
    vocabularies as nats per token do not; empty where bytes are not known.
    """
    cost = record.cost
    if cost is None or not cost.train_bytes:
        return []
    scale = cost.train_tokens / cost.train_bytes / math.log(2)
    last = len(record.rungs) - 1
    return [(one, scale * one.train_loss) for one in record.curve if one.decay_of in (None, last)]


def rung_flops(records: Sequence[TrialRecord]) -> list[float]:
    """Of each rung, the median: trainings take whole steps. Nothing where there is one rung only."""
    by_rung: dict[int, list[float]] = {}
    for record in records:
        for one in record.rungs:
            by_rung.setdefault(one.rung, []).append(one.train_flops)
    found = [sorted(flops)[len(flops) // 2] for _, flops in sorted(by_rung.items())]
    return found if len(found) > 1 else []


def _of_group(name: str, group: Sequence[TrialRecord], colour: str, width: float) -> list[tuple[_Line, go.Scatter]]:
    trained, judged = _Line(), _Line()
    for record in group:
        points = sorted(training_bpb(record), key=lambda one: one[0].train_flops)
        trained.add(
            record, [[view.of_point(one) for one, _ in points] for view in VIEWS.values()], [bpb for _, bpb in points]
        )
        judged.add(
            record,
            [[view.of_rung(one) for one in record.rungs] for view in VIEWS.values()],
            [one.val_bpb for one in record.rungs],
        )
    faint = colour == GREY
    common: dict[str, Any] = {"hovertemplate": HOVER_OF_TRIAL, "legendgroup": name}
    return [
        (
            trained,
            go.Scatter(
                x=trained.x["FLOPs"], y=trained.y, customdata=trained.numbers, text=trained.words, mode="lines",
                line={"color": colour, "width": width}, opacity=0.35 if faint else 1.0, name=f"{name}, {TRAINING}",
                **common,
            ),
        ),
        (
            judged,
            go.Scatter(
                x=judged.x["FLOPs"], y=judged.y, customdata=judged.numbers, text=judged.words, mode="lines+markers",
                line={"color": colour, "width": width, "dash": "dot"},
                marker={"size": 7 if faint else 10, "color": colour, "line": {"width": 1, "color": "white"}},
                opacity=0.7 if faint else 1.0, name=f"{name}, {RUNGS}", **common,
            ),
        ),
    ]  # fmt: skip


def _focus(figure: go.Figure, lines: Sequence[_Line]) -> None:
    """The y axis over what is learned after the first steps, where all curves fall from one height."""
    values = sorted(one for line in lines for one in line.y if one is not None)
    if values:
        low, high = values[0], values[int(0.93 * (len(values) - 1))]
        figure.update_yaxes(range=[low - 0.05 * (high - low), high + 0.05 * (high - low)])


def _buttons(lines: Sequence[_Line], num_rungs: int) -> dict[str, Any]:
    """FLOPs or bytes; the lines of the rungs are of FLOPs."""
    buttons = [
        {
            "label": name,
            "method": "update",
            "args": [
                {"x": [line.x[name] for line in lines]},
                {
                    "xaxis.title.text": view.title,
                    "xaxis.autorange": True,
                    **{f"shapes[{index}].visible": name == "FLOPs" for index in range(num_rungs)},
                },
                list(range(len(lines))),
            ],
        }
        for name, view in VIEWS.items()
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


def best_and_reference(records: Sequence[TrialRecord], best: TrialRecord | None) -> list[TrialRecord]:
    """What stands in colour: the best and the best reference."""
    reference = next((one for one in completed(records) if one.reference), None)
    return [one for one in (best, reference) if one is not None]
