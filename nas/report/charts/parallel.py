"""Parallel coordinates: each trial is a line through its choices, the best ones in colour.

Plotly's own chart needs WebGL and code made at run time, which the page's content security policy refuses. These are
plain lines, so they can be printed, and a line can be selected like a point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import are_numbers, varying
from nas.report.parts.drawing import BLUE, GREY, TEXT, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.scores import fitness
from nas.report.parts.words import count, fixed
from nas.space.dimension import Scalar

BEST_SHARE = 0.1
_MAX_TICKS = 7


def parallel_figure(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> go.Figure | None:
    """Draw the best tenth by fitness in colour over the rest; return None if fewer than two dimensions vary."""
    shown = [record for record in completed(records) if not record.reference]
    names = varying(shown)
    if len(names) < 2:
        return None
    scales = [_scale([record.point[name] for record in shown]) for name in names]
    scales.append(_Scale({fitness(record): fitness(record) for record in shown}))
    best = max(1, round(BEST_SHARE * len(shown)))
    columns = [*names, "fitness"]
    figure = go.Figure()
    for group, name, colour, width in (
        (shown[best:], "other trials", GREY, 1.0),
        (shown[:best], "best tenth by fitness", BLUE, 2.4),
    ):
        figure.add_trace(_lines(group, names, scales, excerpts, name, colour, width))
    styled(figure, "", "", height=440)
    figure.update_xaxes(
        tickvals=list(range(len(columns))),
        ticktext=[escape(name).replace("_", "<br>", 1) for name in columns],
        side="top",
        range=[-0.35, len(columns) - 0.45],
        gridwidth=1.5,
    )
    figure.update_yaxes(visible=False, range=[-0.08, 1.08])
    figure.update_layout(annotations=_ticks(scales), legend={"y": -0.04, "yanchor": "top"}, margin={"l": 8, "t": 60})
    return figure


class _Scale:
    """The positions of the values of one dimension between 0 and 1."""

    def __init__(self, numbers: Mapping[object, float]) -> None:
        self._numbers = dict(numbers)
        self._low = min(numbers.values())
        self._span = (max(numbers.values()) - self._low) or 1.0

    def position(self, value: object) -> float:
        return (self._numbers[value] - self._low) / self._span

    def ticks(self) -> list[tuple[float, str]]:
        """Return (position, words) of each value, or of the lowest and the highest of many."""
        values = sorted(self._numbers, key=lambda value: self._numbers[value])
        shown = values if len(values) <= _MAX_TICKS else [values[0], values[-1]]
        return [(self.position(value), value_words(value)) for value in shown]


def _scale(values: Sequence[Scalar]) -> _Scale:
    """Return the scale of a dimension; few values are evenly spaced, many numbers are in proportion."""
    numeric = are_numbers(values)
    if numeric and len(set(values)) > _MAX_TICKS:
        return _Scale({value: float(value) for value in values})
    ordered = sorted(set(values)) if numeric else sorted(set(values), key=str)
    return _Scale({value: float(index) for index, value in enumerate(ordered)})


def _lines(
    group: Sequence[TrialRecord],
    names: Sequence[str],
    scales: Sequence[_Scale],
    excerpts: Excerpts | None,
    name: str,
    colour: str,
    width: float,
) -> go.Scatter:
    """Return the lines of a group as one trace, with a gap after each trial."""
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    words: list[str | None] = []
    for record in group:
        values: list[object] = [*(record.point[name] for name in names), record.fitness]
        x += [*range(len(values)), None]
        y += [*(scale.position(value) for scale, value in zip(scales, values, strict=True)), None]
        numbers += [record.number] * len(values) + [None]
        words += [hover(record, excerpts)] * len(values) + [None]
    return go.Scatter(
        x=x,
        y=y,
        customdata=numbers,
        text=words,
        mode="lines+markers",
        line={"color": colour, "width": width},
        marker={"size": 5, "color": colour},
        opacity=1.0 if colour == BLUE else 0.45,
        hovertemplate=HOVER_OF_TRIAL,
        name=name,
    )


def _ticks(scales: Sequence[_Scale]) -> list[dict[str, object]]:
    return [
        {
            "x": column + 0.06,
            "y": position,
            "text": escape(words),
            "showarrow": False,
            "xanchor": "left",
            "font": {"size": 11, "color": TEXT},
        }
        for column, scale in enumerate(scales)
        for position, words in scale.ticks()
    ]


def value_words(value: object) -> str:
    """Return a value of a dimension as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if value >= 10_000 else str(value)
    return fixed(value, 2) if isinstance(value, float) else str(value)
