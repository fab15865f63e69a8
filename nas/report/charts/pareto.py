"""Bits per byte against collapse rate, or any two measures: the front, what it beats, and what did not come so far.

Optuna finds and draws the front, from a study of two objectives; here it gets names, units, symbols and marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from optuna.visualization import plot_pareto_front

from nas.records.study import TrialRecord, completed
from nas.report.charts.optuna_study import memory_study
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREY, TEXT, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import collapse_rate, val_bpb, was_stopped

REFERENCE_SYMBOLS = ("diamond-open", "square-open", "triangle-up-open", "hexagon-open", "pentagon-open")
COLLAPSE_AXIS = "collapse rate (share of completions)"


def pareto_figure(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> go.Figure:
    """Of the COMPLETE trials, the front of these two marked; stopped ones are dimmed where they were last judged."""
    shown = sorted(completed(records), key=lambda one: one.number)
    study = memory_study(shown, (val_bpb, collapse_rate))
    figure = plot_pareto_front(study, target_names=[BPB_AXIS, COLLAPSE_AXIS])
    others, best = figure.data
    _dress(others, _behind(others, shown), "other trials", GREY, "others", excerpts, opacity=0.75)
    front = _behind(best, shown)
    _dress(best, front, "Pareto front", BLUE, "front", excerpts, smallest=11)
    figure = go.Figure(
        [_steps(front), _stopped(records, excerpts), others, best, *marks(shown, val_bpb, collapse_rate, excerpts)]
    )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, BPB_AXIS, COLLAPSE_AXIS)


def _steps(front: Sequence[TrialRecord]) -> go.Scatter:
    steps = sorted(front, key=lambda one: (val_bpb(one), -collapse_rate(one)))
    return go.Scatter(
        x=[val_bpb(one) for one in steps],
        y=[collapse_rate(one) for one in steps],
        customdata=[one.number for one in steps],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        name="Pareto front line",
        meta="line",
    )


def _stopped(records: Sequence[TrialRecord], excerpts: Excerpts | None) -> go.Scatter:
    found = [one for one in records if was_stopped(one)]
    return go.Scatter(
        x=[one.rungs[-1].val_bpb for one in found],
        y=[one.rungs[-1].collapse_rate for one in found],
        customdata=[one.number for one in found],
        mode="markers",
        marker={"symbol": "x-thin", "size": 7, "opacity": 0.55, "line": {"width": 1.5, "color": GREY}},
        text=[hover(one, excerpts) for one in found],
        hovertemplate=HOVER_OF_TRIAL,
        showlegend=bool(found),
        name="stopped early, when last judged",
        meta="stopped",
    )


def _behind(trace: Any, shown: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The records behind the points of a trace of plot_pareto_front, which colours points by trial number."""
    return [shown[number] for number in trace.marker.color or ()]


def _dress(
    trace: Any,
    records: Sequence[TrialRecord],
    name: str,
    colour: str,
    role: str,
    excerpts: Excerpts | None,
    opacity: float = 1.0,
    smallest: int = 7,
) -> None:
    """Replace a trace's look and hover; the size of a mark grows with the number of parameters."""
    sizes = [smallest + 2.2 * max(0.0, math.log10(one.architecture.num_params) - 4) ** 1.3 for one in records]
    trace.marker = {"color": colour, "size": sizes, "opacity": opacity, "line": {"width": 1, "color": "white"}}
    trace.update(
        name=name,
        customdata=[one.number for one in records],
        text=[hover(one, excerpts) for one in records],
        hovertemplate=HOVER_OF_TRIAL,
        showlegend=bool(records),
        meta=role,
    )


def marks(shown: Sequence[TrialRecord], x: Any, y: Any, excerpts: Excerpts | None = None) -> list[go.Scatter]:
    """The references, each with its own symbol and name, and a star on the best by fitness."""
    found = []
    references = [one for one in shown if one.reference]
    for index, one in enumerate(references):
        symbol = REFERENCE_SYMBOLS[index % len(REFERENCE_SYMBOLS)]
        marker = {"symbol": symbol, "size": 15, "color": TEXT, "line": {"width": 2, "color": TEXT}}
        found.append((one, f"reference {escape(one.reference or '')}", marker, "reference"))
    for one in completed(shown)[:1]:
        marker = {"symbol": "star", "size": 19, "color": BLUE, "line": {"width": 1.5, "color": "white"}}
        found.append((one, f"best by fitness: trial {one.number}", marker, "star"))
    return [
        go.Scatter(
            x=[x(one)],
            y=[y(one)],
            customdata=[one.number],
            mode="markers",
            marker=marker,
            name=name,
            text=[hover(one, excerpts)],
            hovertemplate=HOVER_OF_TRIAL,
            meta=role,
        )
        for one, name, marker, role in found
    ]
