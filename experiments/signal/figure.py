"""Bits per byte against training FLOPs: where architectures cross, and how far seeds lie apart."""

from __future__ import annotations

import plotly.graph_objects as go

from experiments.signal.study import ELSEWHERE, SEEDS, SignalStudy
from nas.report.parts.drawing import BPB_AXIS, GREY, styled


def signal_figure(study: SignalStudy) -> go.Figure:
    """A line for each architecture that was trained at several budgets; every training at C is a point."""
    own = study.space.training.trial_flops
    figure = go.Figure()
    seeds = [study.trainings.of(study.wanted(one, 1.0, seed)).val_bpb for one in study.candidates for seed in SEEDS]
    figure.add_scatter(
        x=[own] * len(seeds), y=seeds, mode="markers", name="all architectures, all seeds",
        marker={"color": GREY, "size": 7, "symbol": "line-ew-open"},
    )  # fmt: skip
    elsewhere = [one for one in study.ranked() if any(one in study.chosen(factor) for factor in ELSEWHERE)]
    for place, candidate in enumerate(elsewhere):
        factors = sorted([1.0, *(factor for factor in ELSEWHERE if candidate in study.chosen(factor))])
        found = [study.trainings.of(study.wanted(candidate, factor, SEEDS[0])).val_bpb for factor in factors]
        figure.add_scatter(
            x=[factor * own for factor in factors],
            y=found,
            mode="lines+markers",
            name=candidate.architecture.describe(),
            marker={"symbol": place, "size": 8},
        )
    figure = styled(figure, "training FLOPs", BPB_AXIS)
    figure.update_xaxes(type="log", exponentformat="power", dtick="D2")
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"})
    return figure
