"""The page of several studies: their best architectures, their fronts in one chart, and what differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.report.charts.studies import (
    NamedRecords,
    front_of,
    fronts_figure,
    improvements,
    progress_figure,
    spent_flops,
)
from nas.report.parts.chart import chart
from nas.report.parts.differences import differences_table
from nas.report.parts.document import page
from nas.report.parts.tables import Cell, Row, Table, count_cell, figure_cell
from nas.report.parts.words import MISSING
from nas.report.study.view import StudyView
from nas.system.files import write_text

NamedViews = Sequence[tuple[str, StudyView]]
_HEADS = (
    "study",
    "bits per byte",
    "collapse",
    "fitness",
    "holdout",
    "predicted at target",
    "params",
    "FLOPs",
    "complete trials",
    "front",
    "architecture",
)


def named(folders: Sequence[Path], views: Sequence[StudyView]) -> NamedViews:
    """Name studies by their folders, or by the paths to them if two folders have one name."""
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return list(zip(names, views, strict=True))


def write_comparison(path: Path, studies: NamedViews) -> None:
    """Write the page to `path`: whole or not at all."""
    with_results = [(name, view.records) for name, view in studies if view.ranked]
    context = _charts(with_results) if with_results else {}
    text = page(
        "comparison.html.jinja",
        f"{len(studies)} architecture searches",
        has_figures=bool(with_results),
        num_studies=len(studies),
        warnings=_warnings([view for _, view in studies]),
        studies=_studies_table(studies),
        differences=differences_table([name for name, _ in studies], [_settings(view) for _, view in studies]),
        **context,
    )
    write_text(path, text)


def _warnings(views: Sequence[StudyView]) -> list[str]:
    warnings = []
    if len({str(view.study.corpus.get("content_hash")) for view in views}) > 1:
        warnings.append("The studies have different corpora, so their bits per byte are not of the same text.")
    if len({view.weight for view in views}) > 1:
        warnings.append("Their collapse weights differ, so do not compare their fitness; set one: --collapse-weight.")
    if len({str(view.study.space.get("training", {}).get("trial_flops")) for view in views}) > 1:
        warnings.append(
            "Their trials were given different FLOPs: the best architecture at one amount may not be best at another."
        )
    return warnings


def _studies_table(studies: NamedViews) -> Table:
    ranked = sorted(studies, key=lambda study: _fitness(study[1]))
    rows = [_study_row(name, view) for name, view in ranked]
    return Table(_HEADS, rows, numeric=_HEADS[1:10], sortable=True, label="Studies")


def _fitness(view: StudyView) -> float:
    return float("inf") if view.best is None else view.best.fitness or 0.0


def _study_row(name: str, view: StudyView) -> Row:
    best, finalist, target = view.best, view.best_finalist, view.at_target
    spent = spent_flops(view.records)[-1] if view.records else None
    cells = [
        Cell(name),
        figure_cell(best.val_bpb if best else None),
        figure_cell(best.collapse_rate if best else None),
        figure_cell(best.fitness if best else None),
        figure_cell(finalist.bpb if finalist else None),
        figure_cell(target.best.predicted.bpb if target else None),
        count_cell(best.architecture.num_params if best else None),
        Cell(f"{spent:.3g}", spent, "n") if spent else Cell(MISSING, kind="n"),
        count_cell(len(view.ranked)),
        count_cell(len(view.front)),
        Cell(best.architecture.describe() if best else MISSING, kind="shape"),
    ]
    return "", cells


def _settings(view: StudyView) -> dict[str, Any]:
    study = view.study
    return {
        "space": study.space,
        "identity": {key: value for key, value in study.identity.items() if key != "space"},
        "corpus": study.corpus.get("content_hash"),
        "budget": study.budget,
    }


def _charts(studies: NamedRecords) -> dict[str, Any]:
    return {
        "fronts": chart(fronts_figure(studies), "fronts", "Pareto fronts of the studies"),
        "fronts_table": _fronts_table(studies),
        "progress": chart(progress_figure(studies), "progress", "Best fitness over FLOPs"),
        "progress_table": _progress_table(studies),
    }


def _fronts_table(studies: NamedRecords) -> Table:
    heads = ("study", "trial", "bits per byte", "collapse", "params", "architecture")
    rows: list[Row] = []
    for name, records in studies:
        for record in front_of(records):
            cells = [
                Cell(name),
                Cell(str(record.number), record.number, "n"),
                figure_cell(record.val_bpb),
                figure_cell(record.collapse_rate),
                count_cell(record.architecture.num_params),
                Cell(record.architecture.describe(), kind="shape"),
            ]
            rows.append(("", cells))
    return Table(heads, rows, numeric=heads[1:5], sortable=True, label="Pareto fronts")


def _progress_table(studies: NamedRecords) -> Table:
    heads = ("study", "trial", "FLOPs", "best fitness")
    rows: list[Row] = []
    for name, records in studies:
        for spent, record in improvements(records):
            number, flops = Cell(str(record.number), record.number, "n"), Cell(f"{spent:.3g}", spent, "n")
            rows.append(("", [Cell(name), number, flops, figure_cell(record.fitness)]))
    return Table(heads, rows, numeric=heads[1:], sortable=True, label="Best so far")
