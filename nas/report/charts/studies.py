"""Several studies in one chart: their fronts, and their best fitness so far over the FLOPs that they spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate

import plotly.graph_objects as go

from nas.records.fitness import pareto_front
from nas.records.trial import TrialRecord, completed
from nas.report.charts.pareto import along_front
from nas.report.parts.drawing import BPB_AXIS, COLLAPSE_AXIS, FITNESS_AXIS, SERIES_COLOURS, SERIES_SYMBOLS, styled
from nas.report.parts.hover import hover
from nas.report.parts.scores import collapse_rate, fitness, val_bpb

NamedRecords = Sequence[tuple[str, Sequence[TrialRecord]]]
"""The name of each study, and its trials by number."""


def fronts_figure(studies: NamedRecords) -> go.Figure:
    """Draw the front of each study in bits per byte and collapse rate."""
    figure = go.Figure()
    for index, (name, records) in enumerate(studies):
        front = front_of(records)
        figure.add_scatter(
            x=[val_bpb(record) for record in front],
            y=[collapse_rate(record) for record in front],
            text=[f"{escape(name)}: {hover(record)}" for record in front],
            hovertemplate="%{text}<extra></extra>",
            mode="lines+markers",
            line={"shape": "hv", "width": 1.5, "dash": "dot", "color": SERIES_COLOURS[index % len(SERIES_COLOURS)]},
            marker={"size": 10, "symbol": SERIES_SYMBOLS[index % len(SERIES_SYMBOLS)]},
            name=escape(name),
        )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, BPB_AXIS, COLLAPSE_AXIS)


def front_of(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that no other beats in bits per byte and collapse rate, fewest bits first."""
    ranked = completed(records)
    points = [(val_bpb(record), collapse_rate(record)) for record in ranked]
    return along_front(ranked[index] for index in pareto_front(points))


def progress_figure(studies: NamedRecords) -> go.Figure:
    """Draw the best fitness of each study so far over the FLOPs of all its trials until then."""
    figure = go.Figure()
    for index, (name, records) in enumerate(studies):
        steps = [
            (spent, fitness(record))
            for spent, record in zip(spent_flops(records), records, strict=True)
            if record.is_complete
        ]
        figure.add_scatter(
            x=[spent for spent, _ in steps],
            y=list(accumulate((value for _, value in steps), min)),
            mode="lines",
            line={"shape": "hv", "width": 2.2, "color": SERIES_COLOURS[index % len(SERIES_COLOURS)]},
            hovertemplate=f"{escape(name)}: %{{y:.3f}} after %{{x:.3g}} FLOPs<extra></extra>",
            name=escape(name),
        )
    figure.update_xaxes(exponentformat="power")
    return styled(figure, "training FLOPs of all trials", FITNESS_AXIS, height=400)


def improvements(records: Sequence[TrialRecord]) -> Iterator[tuple[float, TrialRecord]]:
    """Yield each trial with a better fitness than all before it, and the FLOPs spent until then."""
    lowest = float("inf")
    for spent, record in zip(spent_flops(records), records, strict=True):
        if record.is_complete and fitness(record) < lowest:
            lowest = fitness(record)
            yield spent, record


def spent_flops(records: Sequence[TrialRecord]) -> list[float]:
    """Return the FLOPs that all trials up to each one spent."""
    return list(accumulate(map(_spent, records)))


def _spent(record: TrialRecord) -> float:
    if record.rungs:
        return sum(result.spent_flops for result in record.rungs)
    return record.cost.train_flops if record.cost else 0.0
