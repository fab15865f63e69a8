"""The Pareto front in bits per byte and collapse rate, the other trials, and those that were stopped early.

Optuna finds and draws the front, from a study of two objectives; this module adds names, units, symbols and highlights.
The script axes.js redraws the chart with any two measures of nas/report/parts/measures.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from optuna.visualization import plot_pareto_front

from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import memory_study
from nas.report.parts.drawing import BLUE, BPB_AXIS, COLLAPSE_AXIS, GREY, TEXT, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import collapse_rate, val_bpb, was_stopped

REFERENCE_SYMBOLS = ("diamond-open", "square-open", "triangle-up-open", "hexagon-open", "pentagon-open")


def pareto_figure(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> go.Figure:
    """Draw the COMPLETE trials with their front, and stopped trials, dimmed, as their last rung scored them."""
    shown = sorted(completed(records), key=lambda record: record.number)
    study = memory_study(shown, (val_bpb, collapse_rate))
    figure = plot_pareto_front(study, target_names=[BPB_AXIS, COLLAPSE_AXIS])
    others, best = figure.data
    _restyle(others, _records_of(others, shown), "other trials", GREY, "others", excerpts, opacity=0.75)
    front = _records_of(best, shown)
    _restyle(best, front, "Pareto front", BLUE, "front", excerpts, min_size=11)
    figure = go.Figure(
        [
            _front_line(front),
            _stopped(records, excerpts),
            others,
            best,
            *highlights(shown, val_bpb, collapse_rate, excerpts),
        ]
    )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, BPB_AXIS, COLLAPSE_AXIS)


def along_front(front: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the trials of a front in the order of a line through them: fewest bits per byte first."""
    return sorted(front, key=lambda record: (val_bpb(record), -collapse_rate(record)))


def highlights(
    shown: Sequence[TrialRecord],
    x: Callable[[TrialRecord], float],
    y: Callable[[TrialRecord], float],
    excerpts: Excerpts | None = None,
) -> list[go.Scatter]:
    """Return a trace for each reference, with a symbol of its own, and a star for the best by fitness."""
    traces = []
    for index, record in enumerate(record for record in shown if record.reference):
        symbol = REFERENCE_SYMBOLS[index % len(REFERENCE_SYMBOLS)]
        marker = {"symbol": symbol, "size": 15, "color": TEXT, "line": {"width": 2, "color": TEXT}}
        traces.append((record, f"reference {escape(record.reference or '')}", marker, "reference"))
    for record in completed(shown)[:1]:
        marker = {"symbol": "star", "size": 19, "color": BLUE, "line": {"width": 1.5, "color": "white"}}
        traces.append((record, f"best by fitness: trial {record.number}", marker, "star"))
    return [
        go.Scatter(
            x=[x(record)],
            y=[y(record)],
            customdata=[record.number],
            mode="markers",
            marker=marker,
            name=name,
            text=[hover(record, excerpts)],
            hovertemplate=HOVER_OF_TRIAL,
            meta=role,
        )
        for record, name, marker, role in traces
    ]


def _front_line(front: Sequence[TrialRecord]) -> go.Scatter:
    line = along_front(front)
    return go.Scatter(
        x=[val_bpb(record) for record in line],
        y=[collapse_rate(record) for record in line],
        customdata=[record.number for record in line],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        name="Pareto front line",
        meta="line",
    )


def _stopped(records: Sequence[TrialRecord], excerpts: Excerpts | None) -> go.Scatter:
    stopped = [record for record in records if was_stopped(record)]
    return go.Scatter(
        x=[record.rungs[-1].val_bpb for record in stopped],
        y=[record.rungs[-1].collapse_rate for record in stopped],
        customdata=[record.number for record in stopped],
        mode="markers",
        marker={"symbol": "x-thin", "size": 7, "opacity": 0.55, "line": {"width": 1.5, "color": GREY}},
        text=[hover(record, excerpts) for record in stopped],
        hovertemplate=HOVER_OF_TRIAL,
        showlegend=bool(stopped),
        name="stopped early, at the last rung",
        meta="stopped",
    )


def _records_of(trace: Any, shown: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the records of a trace of plot_pareto_front, which colours points by their index in the study."""
    return [shown[index] for index in trace.marker.color or ()]


def _restyle(
    trace: Any,
    records: Sequence[TrialRecord],
    name: str,
    colour: str,
    role: str,
    excerpts: Excerpts | None,
    opacity: float = 1.0,
    min_size: int = 7,
) -> None:
    """Set the look and the hover text of a trace; a mark grows with the number of parameters."""
    sizes = [min_size + 2.2 * max(0.0, math.log10(record.architecture.num_params) - 4) ** 1.3 for record in records]
    trace.marker = {"color": colour, "size": sizes, "opacity": opacity, "line": {"width": 1, "color": "white"}}
    trace.update(
        name=name,
        customdata=[record.number for record in records],
        text=[hover(record, excerpts) for record in records],
        hovertemplate=HOVER_OF_TRIAL,
        showlegend=bool(records),
        meta=role,
    )
