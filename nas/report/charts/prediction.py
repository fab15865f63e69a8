"""What the scaling law predicts between the search's budget and the full one, with its band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from nas.records.trial import TrialRecord
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREY, TEXT, styled
from nas.scaling_law.fitted_law import INTERVAL, Prediction, ScalingLaw, TargetChoice, TargetComparison
from nas.scaling_law.law import TrainingPoint

_STEPS = 25
Path = list[tuple[float, Prediction]]
"""(training FLOPs, what is predicted after them)."""


def predicted_path(
    law: ScalingLaw, choice: TargetChoice, from_flops: float, to_flops: float, steps: int = _STEPS
) -> Path:
    """At evenly spaced budgets, in ratio; text is read in proportion to FLOPs."""
    found = []
    for flops in np.geomspace(from_flops, to_flops, steps):
        read = choice.train_bytes * float(flops) / to_flops
        training = TrainingPoint(choice.architecture, choice.lr_multiplier, float(flops), read)
        found.append((float(flops), law.interval(training)))
    return found


def prediction_figure(
    law: ScalingLaw, at: TargetComparison, records: Sequence[TrialRecord], searched: TrialRecord | None
) -> go.Figure:
    """The predicted best with its band, the best of the search without, and what trials scored at their rungs."""
    rungs = [(rung.train_flops, rung.val_bpb) for one in records for rung in one.rungs]
    start = min((flops for flops, _ in rungs), default=at.target_flops / 100)
    best = predicted_path(law, at.best, start, at.target_flops)
    figure = go.Figure(_band(best))
    figure.add_trace(_dots(rungs, "all trials at their rungs", GREY, 5))
    if searched is not None:
        own = [(one.train_flops, one.val_bpb) for one in searched.rungs]
        figure.add_trace(_dots(own, f"trial {searched.number} at its rungs", TEXT, 10, searched.number))
    if at.searched.architecture != at.best.architecture:
        figure.add_trace(
            _line(predicted_path(law, at.searched, start, at.target_flops), "best of the search", TEXT, "dash")
        )
    figure.add_trace(_line(best, "predicted best", BLUE, "solid"))
    styled(figure, "training FLOPs", BPB_AXIS, height=440)
    figure.update_xaxes(type="log", dtick="D2", exponentformat="power")
    return figure


def _band(path: Path) -> go.Scatter:
    flops = [one for one, _ in path]
    return go.Scatter(
        x=[*flops, *reversed(flops)],
        y=[*(one.high for _, one in path), *(one.low for _, one in reversed(path))],
        fill="toself",
        fillcolor="rgba(43,140,214,0.18)",
        line={"width": 0},
        hoverinfo="skip",
        name=f"{INTERVAL:.0%} interval",
    )


def _line(path: Path, name: str, colour: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=[one for one, _ in path],
        y=[one.bpb for _, one in path],
        customdata=[[one.low, one.high] for _, one in path],
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
