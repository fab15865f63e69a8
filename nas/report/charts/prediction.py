"""The scaling law's prediction between the search's budget and the target, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from nas.records.trial import TrialRecord
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREY, TEXT, styled
from nas.scaling_law.fitted_law import INTERVAL, Prediction, ScalingLaw, TargetChoice, TargetComparison
from nas.scaling_law.law import TrainingPoint

_STEPS = 25
PredictedCurve = list[tuple[float, Prediction]]
"""(training FLOPs, the prediction after them), fewest FLOPs first."""


def predicted_curve(
    law: ScalingLaw, choice: TargetChoice, from_flops: float, to_flops: float, steps: int = _STEPS
) -> PredictedCurve:
    """Predict a choice at log-spaced budgets; the bytes it reads are in proportion to the FLOPs."""
    curve = []
    for flops in np.geomspace(from_flops, to_flops, steps):
        read = choice.train_bytes * float(flops) / to_flops
        training = TrainingPoint(choice.architecture, choice.lr_multiplier, float(flops), read)
        curve.append((float(flops), law.interval(training)))
    return curve


def prediction_figure(
    law: ScalingLaw, target: TargetComparison, records: Sequence[TrialRecord], searched: TrialRecord | None
) -> go.Figure:
    """Draw the predicted best with its interval, the best of the search, and the trials' scores at their rungs."""
    rungs = [(rung.train_flops, rung.val_bpb) for record in records for rung in record.rungs]
    start = min((flops for flops, _ in rungs), default=target.target_flops / 100)
    best = predicted_curve(law, target.best, start, target.target_flops)
    figure = go.Figure(_band(best))
    figure.add_trace(_dots(rungs, "all trials at their rungs", GREY, 5))
    if searched is not None:
        own = [(rung.train_flops, rung.val_bpb) for rung in searched.rungs]
        figure.add_trace(_dots(own, f"trial {searched.number} at its rungs", TEXT, 10, searched.number))
    if target.searched.architecture != target.best.architecture:
        figure.add_trace(
            _line(predicted_curve(law, target.searched, start, target.target_flops), "best of the search", TEXT, "dash")
        )
    figure.add_trace(_line(best, "predicted best", BLUE, "solid"))
    styled(figure, "training FLOPs", BPB_AXIS, height=440)
    figure.update_xaxes(type="log", dtick="D2", exponentformat="power")
    return figure


def _band(curve: PredictedCurve) -> go.Scatter:
    flops = [flops for flops, _ in curve]
    return go.Scatter(
        x=[*flops, *reversed(flops)],
        y=[*(predicted.high for _, predicted in curve), *(predicted.low for _, predicted in reversed(curve))],
        fill="toself",
        fillcolor="rgba(43,140,214,0.18)",
        line={"width": 0},
        hoverinfo="skip",
        name=f"{INTERVAL:.0%} interval",
    )


def _line(curve: PredictedCurve, name: str, colour: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=[flops for flops, _ in curve],
        y=[predicted.bpb for _, predicted in curve],
        customdata=[[predicted.low, predicted.high] for _, predicted in curve],
        mode="lines",
        line={"color": colour, "width": 2.2, "dash": dash},
        hovertemplate="%{x:.3g} FLOPs: %{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]<extra></extra>",
        name=name,
    )


def _dots(
    points: Sequence[tuple[float, float]], name: str, colour: str, size: int, number: int | None = None
) -> go.Scatter:
    return go.Scatter(
        x=[flops for flops, _ in points],
        y=[bpb for _, bpb in points],
        customdata=None if number is None else [number] * len(points),
        mode="markers",
        marker={"size": size, "color": colour, "opacity": 0.5 if number is None else 1.0},
        hovertemplate="%{x:.3g} FLOPs: %{y:.3f}<extra></extra>",
        name=name,
    )
