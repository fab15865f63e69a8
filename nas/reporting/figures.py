"""The figures of a study, drawn from records. All minimise; lower left is better.

Optuna draws what it has a plot for; this module gives those plots names, units and a symbol beside
each colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from optuna.visualization import plot_optimization_history, plot_param_importances, plot_pareto_front

from nas.records import TrialRecord, completed
from nas.reporting.drawing import BLUE, BPB_AXIS, GREY, ORANGE, PURPLE, TEXT, styled
from nas.reporting.memory_study import memory_study, varying
from nas.reporting.words import count, fixed, title

REFERENCE_SYMBOLS = ("diamond-open", "square-open", "triangle-up-open", "hexagon-open", "pentagon-open")

COLLAPSE_AXIS = "collapse rate (share of completions)"
FITNESS_AXIS = "fitness (bits per byte)"

MIN_FOR_IMPORTANCE, ENOUGH_FOR_IMPORTANCE = 10, 30


def pareto_figure(records: Sequence[TrialRecord]) -> go.Figure:
    """Bits per byte against collapse rate of the COMPLETE trials, the front of these two marked."""
    shown = sorted(completed(records), key=lambda one: one.number)
    study = memory_study(shown, (_val_bpb, _collapse_rate))
    figure = plot_pareto_front(study, target_names=[BPB_AXIS, COLLAPSE_AXIS])
    others, best = figure.data
    _dress(others, _behind(others, shown), "other trials", GREY, opacity=0.75)
    front = _behind(best, shown)
    _dress(best, front, "Pareto front", BLUE, smallest=11)
    steps = sorted(front, key=lambda one: (_val_bpb(one), -_collapse_rate(one)))
    line = go.Scatter(
        x=[_val_bpb(one) for one in steps],
        y=[_collapse_rate(one) for one in steps],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        name="Pareto front line",
    )
    figure = go.Figure([line, others, best, *_marks(shown, _val_bpb, _collapse_rate)])
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, BPB_AXIS, COLLAPSE_AXIS)


def history_figure(records: Sequence[TrialRecord]) -> go.Figure:
    """Fitness of the COMPLETE trials by number, and the best so far."""
    shown = sorted(completed(records), key=lambda one: one.number)
    figure = plot_optimization_history(memory_study(shown, (_fitness,)), target_name=FITNESS_AXIS)
    points, best, _infeasible = figure.data
    numbers = [one.number for one in shown]
    points.update(x=numbers)
    _dress(points, shown, "trials", GREY)
    best.update(x=numbers, name="best so far", line={"shape": "hv", "color": BLUE, "width": 2}, hoverinfo="skip")
    figure = go.Figure([best, points, *_marks(shown, lambda one: one.number, _fitness)])
    return styled(figure, "trial", FITNESS_AXIS)


def importance_figure(records: Sequence[TrialRecord]) -> tuple[go.Figure | None, str]:
    """How much each dimension decides about being among the best tenth (PED-ANOVA), and the caption.

    References are left out: they are not draws from the search space. None, with the reason as the
    caption, when there are too few trials.
    """
    shown = sorted((one for one in completed(records) if not one.reference), key=lambda one: one.number)
    if len(shown) < MIN_FOR_IMPORTANCE:
        return None, f"Needs at least {MIN_FOR_IMPORTANCE} complete trials of the search; there are {len(shown)}."
    names = varying(shown)
    if not names:
        return None, "Every complete trial has the same architecture, so nothing can be compared."
    try:
        figure = plot_param_importances(memory_study(shown, (_fitness,)), params=names)
    except (ValueError, RuntimeError) as error:
        return None, f"Optuna could not estimate importances: {error}."
    caption = f"Share of each dimension in reaching the best tenth by fitness (PED-ANOVA, {len(shown)} trials)."
    if len(shown) < ENOUGH_FOR_IMPORTANCE:
        caption += f" Fewer than {ENOUGH_FOR_IMPORTANCE} trials: take the order as a hint, not as a finding."
    figure.update_traces(marker_color=BLUE, textfont_color=TEXT, hovertemplate="%{y}: %{x:.3f}<extra></extra>")
    figure = styled(figure, "importance", "", height=90 + 30 * len(names))
    figure.update_xaxes(range=[0, 1.15 * max(figure.data[0].x)])
    figure.update_yaxes(automargin=True, ticksuffix=" ")
    return figure, caption


def vocabulary_figure(records: Sequence[TrialRecord]) -> go.Figure:
    """The best fitness reached at each vocabulary size and width, as a table of colours: brighter is better.

    References are left out where the search has trials of its own: their 50,000 tokens would flatten the scale.
    """
    ranked = completed(records)
    shown = [one for one in ranked if not one.reference] or ranked
    cells: dict[tuple[int, int], list[TrialRecord]] = {}
    for one in shown:
        cells.setdefault((one.architecture.hidden_dim, one.architecture.vocab_size), []).append(one)
    widths = sorted({width for width, _ in cells})
    sizes = sorted({size for _, size in cells})
    labels = {one.architecture.vocab_size: _vocabulary_label(one) for one in shown}
    grid = [[cells.get((width, size), []) for size in sizes] for width in widths]
    figure = go.Figure(
        go.Heatmap(
            x=[labels[size] for size in sizes],
            y=[str(width) for width in widths],
            z=[[_fitness(cell[0]) if cell else None for cell in row] for row in grid],
            text=[[_cell_hover(cell) for cell in row] for row in grid],
            texttemplate="%{z:.2f}",
            hovertemplate="%{text}<extra></extra>",
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


def _val_bpb(record: TrialRecord) -> float:
    assert record.val_bpb is not None, "a COMPLETE trial has a val_bpb"
    return record.val_bpb


def _collapse_rate(record: TrialRecord) -> float:
    assert record.collapse_rate is not None, "a COMPLETE trial has a collapse_rate"
    return record.collapse_rate


def _fitness(record: TrialRecord) -> float:
    assert record.fitness is not None, "a COMPLETE trial has a fitness"
    return record.fitness


def _behind(trace: Any, shown: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The records behind the points of a trace of plot_pareto_front, which colours points by trial number."""
    return [shown[number] for number in trace.marker.color or ()]


def _dress(
    trace: Any, records: Sequence[TrialRecord], name: str, colour: str, opacity: float = 1.0, smallest: int = 7
) -> None:
    """Replace a trace's look and hover; the size of a mark grows with the number of parameters."""
    sizes = [smallest + 2.2 * max(0.0, math.log10(one.architecture.num_params) - 4) ** 1.3 for one in records]
    trace.marker = {"color": colour, "size": sizes, "opacity": opacity, "line": {"width": 1, "color": "white"}}
    trace.update(
        name=name,
        text=[_hover(one) for one in records],
        hovertemplate="%{text}<extra></extra>",
        showlegend=bool(records),
    )


def _marks(shown: Sequence[TrialRecord], x: Any, y: Any) -> list[go.Scatter]:
    """The references, each with its own symbol and name, and a star on the best by fitness."""
    marks = []
    references = [one for one in shown if one.reference]
    for index, one in enumerate(references):
        symbol = REFERENCE_SYMBOLS[index % len(REFERENCE_SYMBOLS)]
        marker = {"symbol": symbol, "size": 17, "color": PURPLE, "line": {"width": 2.5, "color": PURPLE}}
        marks.append((one, f"reference {escape(one.reference or '')}", marker))
    for one in completed(shown)[:1]:
        marker = {"symbol": "star", "size": 17, "color": ORANGE, "line": {"width": 1, "color": "white"}}
        marks.append((one, f"best by fitness: trial {one.number}", marker))
    return [
        go.Scatter(
            x=[x(one)],
            y=[y(one)],
            mode="markers",
            marker=marker,
            name=name,
            text=[_hover(one)],
            hovertemplate="%{text}<extra></extra>",
        )
        for one, name, marker in marks
    ]


def _hover(record: TrialRecord) -> str:
    return (
        f"<b>{escape(title(record))}</b><br>{escape(record.architecture.describe())}<br>"
        f"{fixed(record.val_bpb)} bits per byte, {fixed(record.val_novel_bpb)} on novel lines<br>"
        f"collapse {fixed(record.collapse_rate)}, fitness {fixed(record.fitness)}, "
        f"{count(record.architecture.num_params)} parameters"
    )


def _cell_hover(cell: Sequence[TrialRecord]) -> str:
    trials = f"best of {len(cell)} trial{'s' if len(cell) > 1 else ''}"
    return f"{trials}:<br>{_hover(cell[0])}" if cell else ""


def _vocabulary_label(record: TrialRecord) -> str:
    size = f"{record.architecture.vocab_size:,}"
    return size if record.vocabulary.startswith("bpe") else f"{size} {escape(record.vocabulary)}"
