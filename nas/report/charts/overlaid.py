"""Several studies in one chart: their fronts, and their best so far against what they spent."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate

import plotly.graph_objects as go

from nas.records.fitness import pareto_front
from nas.records.study import TrialRecord, completed
from nas.report.charts.history import FITNESS_AXIS
from nas.report.charts.pareto import COLLAPSE_AXIS
from nas.report.parts.drawing import BLUE, BPB_AXIS, GREEN, GREY, ORANGE, PURPLE, styled
from nas.report.parts.hover import hover
from nas.report.parts.scores import collapse_rate, fitness, val_bpb

Named = Sequence[tuple[str, Sequence[TrialRecord]]]
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "pentagon", "star")


def fronts_figure(studies: Named) -> go.Figure:
    figure = go.Figure()
    for index, (name, records) in enumerate(studies):
        best = front_of(records)
        figure.add_scatter(
            x=[val_bpb(one) for one in best],
            y=[collapse_rate(one) for one in best],
            text=[f"{escape(name)}: {hover(one)}" for one in best],
            hovertemplate="%{text}<extra></extra>",
            mode="lines+markers",
            line={"shape": "hv", "width": 1.5, "dash": "dot", "color": _COLOURS[index % len(_COLOURS)]},
            marker={"size": 10, "symbol": _SYMBOLS[index % len(_SYMBOLS)]},
            name=escape(name),
        )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, BPB_AXIS, COLLAPSE_AXIS)


def front_of(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Those that no other beats in bits per byte and collapse rate, from the fewest bits on."""
    ranked = completed(records)
    found = [ranked[place] for place in pareto_front([(val_bpb(one), collapse_rate(one)) for one in ranked])]
    return sorted(found, key=lambda one: (val_bpb(one), -collapse_rate(one)))


def progress_figure(studies: Named) -> go.Figure:
    figure = go.Figure()
    for index, (name, records) in enumerate(studies):
        steps = [
            (spent, fitness(one))
            for spent, one in zip(spent_flops(records), records, strict=True)
            if one.is_complete
        ]  # fmt: skip
        figure.add_scatter(
            x=[spent for spent, _ in steps],
            y=list(accumulate((value for _, value in steps), min)),
            mode="lines",
            line={"shape": "hv", "width": 2.2, "color": _COLOURS[index % len(_COLOURS)]},
            hovertemplate=f"{escape(name)}: %{{y:.3f}} after %{{x:.3g}} FLOPs<extra></extra>",
            name=escape(name),
        )
    figure.update_xaxes(exponentformat="power")
    return styled(figure, "training FLOPs of all trials", FITNESS_AXIS, height=400)


def spent_flops(records: Sequence[TrialRecord]) -> list[float]:
    """Up to and with each trial, in the order of their numbers."""
    return list(accumulate(_spent(one) for one in records))


def _spent(record: TrialRecord) -> float:
    if record.rungs:
        return sum(one.spent_flops for one in record.rungs)
    return record.cost.train_flops if record.cost else 0.0
