"""Fitness by vocabulary size and width: which of the two should get the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from nas.records.trial import TrialRecord, completed
from nas.report.parts.drawing import styled
from nas.report.parts.hover import HOVER_OF_TRIAL, hover
from nas.report.parts.scores import fitness


def vocabulary_figure(records: Sequence[TrialRecord]) -> go.Figure:
    """Draw the best fitness at each vocabulary size and width as a heat map: brighter is better.

    References are left out if the search has trials of its own: their 50,000 tokens would flatten the scale.
    """
    ranked = completed(records)
    shown = [record for record in ranked if not record.reference] or ranked
    cells: dict[tuple[int, int], list[TrialRecord]] = {}
    for record in shown:
        cells.setdefault((record.architecture.hidden_dim, record.architecture.vocab_size), []).append(record)
    widths = sorted({width for width, _ in cells})
    sizes = sorted({size for _, size in cells})
    labels = {record.architecture.vocab_size: _label(record) for record in shown}
    grid = [[cells.get((width, size), []) for size in sizes] for width in widths]
    figure = go.Figure(
        go.Heatmap(
            x=[labels[size] for size in sizes],
            y=[str(width) for width in widths],
            z=[[fitness(cell[0]) if cell else None for cell in row] for row in grid],
            text=[[_cell_hover(cell) for cell in row] for row in grid],
            customdata=[[cell[0].number if cell else None for cell in row] for row in grid],
            texttemplate="%{z:.2f}",
            hovertemplate=HOVER_OF_TRIAL,
            hoverongaps=False,
            colorscale="Cividis",
            reversescale=True,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False)
    return styled(figure, "vocabulary size (tokens)", "width (hidden_dim)", height=170 + 36 * len(widths))


def _cell_hover(cell: Sequence[TrialRecord]) -> str:
    trials = f"best of {len(cell)} trial{'s' if len(cell) > 1 else ''}"
    return f"{trials}:<br>{hover(cell[0])}" if cell else ""


def _label(record: TrialRecord) -> str:
    size = f"{record.architecture.vocab_size:,}"
    return size if record.vocabulary.startswith("bpe") else f"{size} {escape(record.vocabulary)}"
