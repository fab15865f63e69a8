"""The sections of charts: the front, what mattered, learning curves, how the search went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.report.charts.history import history_figure, hypervolume_figure, volumes
from nas.report.charts.importance import MIN_FOR_IMPORTANCE, importance_figure, importances
from nas.report.charts.learning import best_and_reference, learning_figure, rung_flops
from nas.report.charts.parallel import parallel_figure
from nas.report.charts.pareto import pareto_figure
from nas.report.charts.prediction import predicted_curve, prediction_figure
from nas.report.charts.slices import slice_figures
from nas.report.charts.vocabulary import vocabulary_figure
from nas.report.parts.chart import Chart, chart
from nas.report.parts.hover import Excerpts
from nas.report.parts.measures import MEASURES, Measure
from nas.report.parts.scores import at_widest_rung
from nas.report.parts.tables import Table
from nas.report.study.tables import curves_table, hypervolume_table, importance_table, prediction_table, rungs_table
from nas.report.study.view import StudyView

_PREDICTION_ROWS = 6


@dataclass(frozen=True)
class Front:
    """The Pareto front, the measures that its axes may show, and the range of the collapse weight's slider."""

    chart: Chart
    measures: Sequence[Measure]
    max_weight: float


@dataclass(frozen=True)
class Mattered:
    """Which dimensions decide, and the trials' choices."""

    rung_caption: str
    """Says at which rung the trials are shown; empty at the top."""
    caption: str
    """Says how the importances were estimated, or why not."""
    is_hint: bool
    importance: Chart | None
    shares: Table | None
    vocabulary: Chart
    parallel: Chart | None
    slices: Sequence[Chart]


@dataclass(frozen=True)
class Prediction:
    """Prediction of the scaling law beyond the search's budget."""

    num_trials: int
    formula: str
    shortcomings: Sequence[str]
    chart: Chart
    table: Table


@dataclass(frozen=True)
class Learning:
    """Learning curves of the trials, what they scored at their rungs, and the prediction beyond."""

    num_rungs: int
    """0 where trials have one rung only."""
    chart: Chart
    table: Table
    prediction: Prediction | None


@dataclass(frozen=True)
class History:
    """Fitness and hypervolume by trial."""

    fitness: Chart
    hypervolume: Chart
    table: Table


def front_section(view: StudyView, excerpts: Excerpts) -> Front:
    return Front(
        chart(pareto_figure(view.records, excerpts), "pareto", "Pareto front: bits per byte against collapse rate"),
        [measure for measure in MEASURES if any(measure.value(record) is not None for record in view.ranked)],
        max(1.0, 2 * view.study.collapse_weight, 2 * view.weight),
    )


def mattered_section(view: StudyView, excerpts: Excerpts) -> Mattered:
    """Return the charts of trials at the top, or at the highest rung that enough of them reached."""
    records, rung_caption = at_widest_rung(view.records, MIN_FOR_IMPORTANCE)
    importance = importances(records)
    parallel = parallel_figure(records, excerpts)
    return Mattered(
        rung_caption,
        importance.caption,
        importance.is_hint,
        chart(importance_figure(importance.shares), "importance", "How much each dimension decides")
        if importance.shares
        else None,
        importance_table(importance.shares) if importance.shares else None,
        chart(vocabulary_figure(records), "vocabulary", "Best fitness by vocabulary size and width"),
        chart(parallel, "parallel", "Parallel coordinates of the trials' choices", is_broad=True) if parallel else None,
        [
            chart(figure, f"slice-{name.replace('_', '-')}", f"Fitness over {name}")
            for name, figure in slice_figures(records, excerpts).items()
        ],
    )


def learning_section(view: StudyView) -> Learning | None:
    """Return None where no trial has a curve or a rung."""
    if not any(record.curve or record.rungs for record in view.records):
        return None
    flops = rung_flops(view.records)
    figure = learning_figure(view.records, best_and_reference(view.records, view.best))
    return Learning(
        len(flops),
        chart(figure, "learning", "Learning curves of all trials"),
        rungs_table(view, flops) if flops else curves_table(view),
        _prediction(view),
    )


def _prediction(view: StudyView) -> Prediction | None:
    law, target = view.law, view.at_target
    if law is None or target is None:
        return None
    lowest = min((rung.train_flops for record in view.records for rung in record.rungs), default=None)
    start = target.target_flops / 100 if lowest is None else lowest
    figure = prediction_figure(law, target, view.records, view.best)
    return Prediction(
        law.num_trials,
        law.describe(),
        target.shortcomings,
        chart(figure, "prediction", "Predicted bits per byte with its band"),
        prediction_table(predicted_curve(law, target.best, start, target.target_flops, steps=_PREDICTION_ROWS)),
    )


def history_section(view: StudyView, excerpts: Excerpts) -> History:
    return History(
        chart(history_figure(view.records, excerpts), "history", "Fitness by trial, and the best so far"),
        chart(hypervolume_figure(view.records), "hypervolume", "Hypervolume by trial"),
        hypervolume_table(volumes(view.records)),
    )
