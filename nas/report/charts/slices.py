"""A small chart for each dimension: fitness over its values, whatever the values of the others."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import LOGARITHMIC, are_numbers, varying
from nas.report.charts.parallel import value_words
from nas.report.parts.drawing import BLUE, GREY, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import fitness

_MAX_TICKS = 8
"""Distinct values of a logarithmic axis that are all named."""


def slice_figures(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> dict[str, go.Figure]:
    """Return a chart for each dimension that varies, by name; references are left out."""
    shown = [record for record in completed(records) if not record.reference]
    return {name: _slice(name, shown, excerpts) for name in varying(shown)}


def _slice(name: str, shown: Sequence[TrialRecord], excerpts: Excerpts | None) -> go.Figure:
    values = [record.point[name] for record in shown]
    is_category = not are_numbers(values)
    figure = go.Figure(
        go.Scatter(
            x=[value_words(value) for value in values] if is_category else values,
            y=[fitness(record) for record in shown],
            customdata=[record.number for record in shown],
            text=[hover(record, excerpts) for record in shown],
            mode="markers",
            marker={
                "size": 8,
                "opacity": 0.8,
                "color": [BLUE, *[GREY] * (len(shown) - 1)],
                "line": {"width": 1, "color": "white"},
            },
            hovertemplate=HOVER_OF_TRIAL,
            showlegend=False,
        )
    )
    styled(figure, escape(name), "", height=230)
    figure.update_layout(margin={"l": 40, "r": 8, "t": 8, "b": 40}, font_size=11)
    if is_category:
        figure.update_xaxes(type="category", categoryorder="category ascending")
    elif name in LOGARITHMIC:
        figure.update_xaxes(type="log")
        ticks = sorted(set(values))
        if len(ticks) <= _MAX_TICKS:
            figure.update_xaxes(tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return figure
