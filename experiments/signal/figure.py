"""The figure of bits per byte against training FLOPs: where architectures cross, and how much seeds differ."""

from __future__ import annotations

import plotly.graph_objects as go

from experiments.signal.study import OTHER_BUDGETS, SEEDS, SignalStudy
from nas.report.parts.drawing import BPB_AXIS, GREY, styled


def signal_figure(study: SignalStudy) -> go.Figure:
    """Draw a line for each architecture trained at several budgets, and a point for every training at the own one."""
    own = study.space.training.trial_flops
    figure = go.Figure()
    all_seeds = [study.result(candidate, 1.0, seed).val_bpb for candidate in study.candidates for seed in SEEDS]
    figure.add_scatter(
        x=[own] * len(all_seeds), y=all_seeds, mode="markers", name="all architectures, all seeds",
        marker={"color": GREY, "size": 7, "symbol": "line-ew-open"},
    )  # fmt: skip
    chosen = {factor: study.chosen(factor) for factor in OTHER_BUDGETS}
    several = [candidate for candidate in study.ranked() if any(candidate in group for group in chosen.values())]
    for place, candidate in enumerate(several):
        factors = sorted([1.0, *(factor for factor, group in chosen.items() if candidate in group)])
        figure.add_scatter(
            x=[factor * own for factor in factors],
            y=[study.result(candidate, factor, SEEDS[0]).val_bpb for factor in factors],
            mode="lines+markers",
            name=candidate.architecture.describe(),
            marker={"symbol": place, "size": 8},
        )
    figure = styled(figure, "training FLOPs", BPB_AXIS)
    figure.update_xaxes(type="log", exponentformat="power", dtick="D2")
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"})
    return figure
