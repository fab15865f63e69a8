"""How the search went: fitness by trial with the best so far, and the volume that the front has won."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from optuna.visualization import plot_optimization_history

from nas.records.fitness import hypervolume
from nas.records.study import TrialRecord, completed
from nas.report.charts.optuna_study import memory_study
from nas.report.charts.pareto import marks
from nas.report.parts.drawing import BLUE, GREY, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import collapse_rate, fitness, val_bpb

FITNESS_AXIS = "fitness (bits per byte)"
HYPERVOLUME_AXIS = "hypervolume"


def history_figure(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> go.Figure:
    """Fitness of the COMPLETE trials by number, and the best so far."""
    shown = sorted(completed(records), key=lambda one: one.number)
    figure = plot_optimization_history(memory_study(shown, (fitness,)), target_name=FITNESS_AXIS)
    points, best, _infeasible = figure.data
    numbers = [one.number for one in shown]
    points.update(
        x=numbers,
        customdata=numbers,
        name="trials",
        marker={"color": GREY, "size": 8, "opacity": 0.8},
        text=[hover(one, excerpts) for one in shown],
        hovertemplate=HOVER_OF_TRIAL,
        showlegend=True,
    )
    best.update(x=numbers, name="best so far", line={"shape": "hv", "color": BLUE, "width": 2}, hoverinfo="skip")
    figure = go.Figure([best, points, *marks(shown, lambda one: one.number, fitness, excerpts)])
    return styled(figure, "trial", FITNESS_AXIS, height=400)


def volumes(records: Sequence[TrialRecord]) -> list[tuple[int, float]]:
    """(trial, hypervolume of bits per byte and collapse rate so far), measured from the worst of all in both."""
    shown = sorted(completed(records), key=lambda one: one.number)
    points = [(val_bpb(one), collapse_rate(one)) for one in shown]
    if not points:
        return []
    worst = (max(one[0] for one in points), max(one[1] for one in points))
    return [(one.number, hypervolume(points[: place + 1], worst)) for place, one in enumerate(shown)]


def hypervolume_figure(records: Sequence[TrialRecord]) -> go.Figure:
    """How much of the plane the front dominates: grows when a trial improves it anywhere, not at the best alone."""
    found = volumes(records)
    figure = go.Figure(
        go.Scatter(
            x=[number for number, _ in found],
            y=[volume for _, volume in found],
            mode="lines",
            line={"shape": "hv", "color": BLUE, "width": 2},
            hovertemplate="after trial %{x}: %{y:.4f}<extra></extra>",
            showlegend=False,
        )
    )
    return styled(figure, "trial", HYPERVOLUME_AXIS, height=260)
