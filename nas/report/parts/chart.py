"""A figure as a page holds it: data that the page's script draws when it comes into view."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go
from markupsafe import Markup

from nas.report.parts.drawing import ORANGE
from nas.report.parts.hover import HOVER_OF_TRIAL
from nas.report.parts.templates import json_text

_DEFAULT_HEIGHT = 480


@dataclass(frozen=True)
class Chart:
    """Figure as the macro `chart` writes it."""

    id: str
    label: str
    """Description of the figure for screen readers."""
    json: Markup
    height: int
    """Pixels."""
    is_broad: bool = False
    """Whether it scrolls within itself on a narrow screen."""


def chart(figure: go.Figure, name: str, label: str, *, is_broad: bool = False) -> Chart:
    """Return the figure for a page, with an empty trace that later rings the selected trial.

    The hover text of a trial is in the page once, among the facts of the trials; it is left out of each figure, and the
    page's script puts it back.
    """
    figure.add_scatter(
        x=[],
        y=[],
        mode="markers",
        marker={"symbol": "circle-open", "size": 19, "color": ORANGE, "line": {"width": 3}},
        line={"color": ORANGE, "width": 3.5},
        meta="ring",
        hoverinfo="skip",
        showlegend=False,
    )
    for trace in figure.data:
        if trace.hovertemplate == HOVER_OF_TRIAL and trace.customdata is not None and trace.type == "scatter":
            trace.text = None
    return Chart(name, label, json_text(figure.to_json()), figure.layout.height or _DEFAULT_HEIGHT, is_broad)
