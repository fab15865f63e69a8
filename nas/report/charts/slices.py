"""One small chart a dimension: fitness over its values, the other dimensions as they came."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import LOGARITHMIC, are_numbers, varying
from nas.report.parts.drawing import BLUE, GREY, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import fitness


def slice_figures(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> dict[str, go.Figure]:
    """Dimension -> its chart, of those that vary. References are left out."""
    shown = [one for one in completed(records) if not one.reference]
    return {name: _slice(name, shown, excerpts) for name in varying(shown)}


def _slice(name: str, shown: Sequence[TrialRecord], excerpts: Excerpts | None) -> go.Figure:
    values = [one.point[name] for one in shown]
    as_words = not are_numbers(values)
    figure = go.Figure(
        go.Scatter(
            x=[_word(value) for value in values] if as_words else values,
            y=[fitness(one) for one in shown],
            customdata=[one.number for one in shown],
            text=[hover(one, excerpts) for one in shown],
            mode="markers",
            marker={
                "size": 8,
                "opacity": 0.8,
                "color": [BLUE if place == 0 else GREY for place in range(len(shown))],
                "line": {"width": 1, "color": "white"},
            },
            hovertemplate=HOVER_OF_TRIAL,
            showlegend=False,
        )
    )
    styled(figure, escape(name), "", height=230)
    figure.update_layout(margin={"l": 40, "r": 8, "t": 8, "b": 40}, font_size=11)
    if as_words:
        figure.update_xaxes(type="category", categoryorder="category ascending")
    elif name in LOGARITHMIC:
        ticks = sorted(set(values))
        figure.update_xaxes(
            type="log", **({"tickvals": ticks, "ticktext": [f"{one:g}" for one in ticks]} if len(ticks) < 9 else {})
        )
    return figure


def _word(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
