"""How the search progressed: fitness by trial with the best so far, and the hypervolume of the front."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from optuna.visualization import plot_optimization_history

from nas.records.fitness import hypervolume
from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import memory_study
from nas.report.charts.pareto import highlights
from nas.report.parts.drawing import BLUE, FITNESS_AXIS, GREY, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import collapse_rate, fitness, val_bpb


def history_figure(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> go.Figure:
    """Draw the fitness of the COMPLETE trials by number, and the best so far."""
    shown = _by_number(records)
    figure = plot_optimization_history(memory_study(shown, (fitness,)), target_name=FITNESS_AXIS)
    points, best, _infeasible = figure.data
    numbers = [record.number for record in shown]
    points.update(
        x=numbers,
        customdata=numbers,
        name="trials",
        marker={"color": GREY, "size": 8, "opacity": 0.8},
        text=[hover(record, excerpts) for record in shown],
        hovertemplate=HOVER_OF_TRIAL,
        showlegend=True,
    )
    best.update(x=numbers, name="best so far", line={"shape": "hv", "color": BLUE, "width": 2}, hoverinfo="skip")
    figure = go.Figure([best, points, *highlights(shown, lambda record: record.number, fitness, excerpts)])
    return styled(figure, "trial", FITNESS_AXIS, height=400)


def hypervolume_figure(records: Sequence[TrialRecord]) -> go.Figure:
    """Draw how much of the plane the front dominates, which grows when a trial improves the front anywhere."""
    steps = volumes(records)
    figure = go.Figure(
        go.Scatter(
            x=[number for number, _ in steps],
            y=[volume for _, volume in steps],
            mode="lines",
            line={"shape": "hv", "color": BLUE, "width": 2},
            hovertemplate="after trial %{x}: %{y:.4f}<extra></extra>",
            showlegend=False,
        )
    )
    return styled(figure, "trial", "hypervolume", height=260)


def volumes(records: Sequence[TrialRecord]) -> list[tuple[int, float]]:
    """Return (trial, hypervolume of bits per byte and collapse rate so far), from the worst of all trials in both."""
    shown = _by_number(records)
    points = [(val_bpb(record), collapse_rate(record)) for record in shown]
    if not points:
        return []
    worst = (max(bpb for bpb, _ in points), max(rate for _, rate in points))
    return [(record.number, hypervolume(points[: index + 1], worst)) for index, record in enumerate(shown)]


def _by_number(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return sorted(completed(records), key=lambda record: record.number)
