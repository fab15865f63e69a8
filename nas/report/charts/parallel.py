"""Parallel coordinates: each trial a line through its choices, the best in colour.

Plotly's own need WebGL and code made at run time, which the page's policy refuses; these are plain lines, so that they
print, and a line can be selected as a point can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import varying
from nas.report.parts.drawing import BLUE, GREY, TEXT, styled
from nas.report.parts.hover import HOVER_OF_TRIAL, Excerpts, hover
from nas.report.parts.words import count, fixed
from nas.space.dimension import Scalar

BEST_SHARE = 0.1
_MAX_TICKS = 7


def parallel_figure(records: Sequence[TrialRecord], excerpts: Excerpts | None = None) -> go.Figure | None:
    """None where fewer than two dimensions vary. The best tenth by fitness stands in colour, over the rest."""
    shown = [one for one in completed(records) if not one.reference]
    names = varying(shown)
    if len(names) < 2:
        return None
    scales = [_scale([one.point[name] for one in shown]) for name in names]
    fitness_scale = _Scale({one.fitness: (one.fitness or 0.0) for one in shown})
    best = max(1, round(BEST_SHARE * len(shown)))
    columns = [*names, "fitness"]
    figure = go.Figure()
    for group, name, colour, width in (
        (shown[best:], "other trials", GREY, 1.0),
        (shown[:best], "best tenth by fitness", BLUE, 2.4),
    ):
        figure.add_trace(_lines(group, names, [*scales, fitness_scale], excerpts, name, colour, width))
    styled(figure, "", "", height=440)
    figure.update_xaxes(
        tickvals=list(range(len(columns))),
        ticktext=[escape(name).replace("_", "<br>", 1) for name in columns],
        side="top",
        range=[-0.35, len(columns) - 0.45],
        gridwidth=1.5,
    )
    figure.update_yaxes(visible=False, range=[-0.08, 1.08])
    figure.update_layout(
        annotations=_ticks([*scales, fitness_scale]), legend={"y": -0.04, "yanchor": "top"}, margin={"l": 8, "t": 60}
    )
    return figure


class _Scale:
    """Where the values of one dimension stand between 0 and 1."""

    def __init__(self, numbers: Mapping[object, float]) -> None:
        self._numbers = dict(numbers)
        self._low = min(numbers.values())
        self._span = (max(numbers.values()) - self._low) or 1.0

    def at(self, value: object) -> float:
        return (self._numbers[value] - self._low) / self._span

    def ticks(self) -> list[tuple[float, str]]:
        """Place and words of the values; of many the least and the greatest."""
        known = sorted(self._numbers, key=lambda one: self._numbers[one])
        shown = known if len(known) <= _MAX_TICKS else [known[0], known[-1]]
        return [(self.at(one), _words(one)) for one in shown]


def _scale(values: Sequence[Scalar]) -> _Scale:
    numeric = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in values)
    if numeric and len(set(values)) > _MAX_TICKS:
        return _Scale({one: float(one) for one in values})
    ordered = sorted(set(values)) if numeric else sorted(set(values), key=str)
    return _Scale({one: float(place) for place, one in enumerate(ordered)})


def _lines(
    group: Sequence[TrialRecord],
    names: Sequence[str],
    scales: Sequence[_Scale],
    excerpts: Excerpts | None,
    name: str,
    colour: str,
    width: float,
) -> go.Scatter:
    """All lines as one trace, with a gap between trials."""
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    words: list[str | None] = []
    for one in group:
        values: list[object] = [*(one.point[name] for name in names), one.fitness]
        x += [*range(len(values)), None]
        y += [*(scale.at(value) for scale, value in zip(scales, values, strict=True)), None]
        numbers += [one.number] * len(values) + [None]
        words += [hover(one, excerpts)] * len(values) + [None]
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
            "y": place,
            "text": escape(words),
            "showarrow": False,
            "xanchor": "left",
            "font": {"size": 11, "color": TEXT},
        }
        for column, scale in enumerate(scales)
        for place, words in scale.ticks()
    ]


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if value >= 10_000 else str(value)
    return fixed(value, 2) if isinstance(value, float) else str(value)
