"""Several studies beside each other: what each found, their fronts in one chart, and what differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.records.holdout_comparison import chosen_trial, comparison_of
from nas.records.study import StudyRecord
from nas.records.trial import TrialRecord, completed, front
from nas.report.charts.overlaid import Named, front_of, fronts_figure, progress_figure, spent_flops
from nas.report.parts.document import document, embedded
from nas.report.parts.key_values import flat
from nas.report.parts.markup import behind, paragraph, section, table
from nas.report.parts.tables import Cell, Row, count_cell, figure_cell
from nas.report.parts.words import MISSING
from nas.report.study.view import StudyView
from nas.system.files import write_text

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


@dataclass(frozen=True)
class Compared:
    """One of the studies; its trials are ranked by their fitness as it stands."""

    name: str
    study: StudyRecord
    records: Sequence[TrialRecord]

    @property
    def best(self) -> TrialRecord | None:
        return chosen_trial(self.study, self.records, self.study.collapse_weight)


def named(folders: Sequence[Path], views: Sequence[StudyView]) -> list[Compared]:
    """By the names of their folders, with as much of the path as tells them apart."""
    names = [one.name for one in folders]
    unique = len(set(names)) == len(names)
    labels = names if unique else [str(one) for one in folders]
    studies = [view.study.model_copy(update={"collapse_weight": view.weight}) for view in views]
    records = [view.records for view in views]
    return [Compared(*one) for one in zip(labels, studies, records, strict=True)]


def write_comparison(path: Path, studies: Sequence[Compared]) -> None:
    """Whole or not at all."""
    has_figures = any(completed(one.records) for one in studies)
    sections = [_side_by_side(studies), *(_charts(studies) if has_figures else ()), _differences(studies)]
    write_text(path, document(f"{len(studies)} architecture searches", sections, has_figures=has_figures))


def _side_by_side(studies: Sequence[Compared]) -> str:
    ranked = sorted(studies, key=lambda one: (one.best.fitness or 0.0) if one.best else float("inf"))
    parts = [
        '<p class="kicker">Architecture search for small language models of Python code</p>',
        f"<h1>{len(studies)} studies</h1>",
        paragraph(
            "The architecture that each takes, best fitness on validation first; lower is better. FLOPs are what all "
            "trials of a study took.",
            "soft",
        ),
        *_warnings(studies),
        table(_HEADS, [_row(one) for one in ranked], numeric=_HEADS[1:10], sortable=True, label="Studies"),
    ]
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def _warnings(studies: Sequence[Compared]) -> list[str]:
    found = []
    if len({str(one.study.corpus.get("content_hash")) for one in studies}) > 1:
        found.append("The studies have different corpora, so their bits per byte are of different texts.")
    if len({one.study.collapse_weight for one in studies}) > 1:
        found.append("Their collapse weights differ, so their fitness does not compare; give one: --collapse-weight.")
    if len({str(one.study.space.get("training", {}).get("trial_flops")) for one in studies}) > 1:
        found.append("Their trials were given different FLOPs: what is best at one amount need not be at another.")
    return [paragraph(one, "callout") for one in found]


def _row(one: Compared) -> Row:
    best, at = one.best, one.study.at_target
    comparison = comparison_of(one.study, one.records, one.study.collapse_weight)
    holdout = (
        next((it.bpb for it in comparison.finalists if it.number == comparison.chosen), None) if comparison else None
    )
    spent = spent_flops(one.records)[-1] if one.records else None
    cells = [
        Cell(one.name),
        figure_cell(best.val_bpb if best else None),
        figure_cell(best.collapse_rate if best else None),
        figure_cell(best.fitness if best else None),
        figure_cell(holdout),
        figure_cell(at.best.predicted.bpb if at else None),
        count_cell(best.architecture.num_params if best else None),
        Cell(f"{spent:.3g}", spent, "n") if spent else Cell(MISSING, kind="n"),
        count_cell(len(completed(one.records))),
        count_cell(len(front(one.records))),
        Cell(best.architecture.describe() if best else MISSING, kind="shape"),
    ]
    return "", cells


def _charts(studies: Sequence[Compared]) -> list[str]:
    shown = [(one.name, one.records) for one in studies if completed(one.records)]
    return [
        section(
            "Pareto fronts",
            paragraph("The front of each study in bits per byte and collapse rate; lower left is better.", "soft"),
            embedded(fronts_figure(shown), "fronts", "Pareto fronts of the studies"),
            behind("The fronts as a table", _fronts_table(shown)),
        ),
        section(
            "How the searches went",
            paragraph("The best fitness so far against the training FLOPs that all trials until then took.", "soft"),
            embedded(progress_figure(shown), "progress", "Best fitness against FLOPs"),
            behind("Each better trial as a table", _progress_table(shown)),
        ),
    ]


def _fronts_table(studies: Named) -> str:
    heads = ("study", "trial", "bits per byte", "collapse", "params", "architecture")
    rows: list[Row] = []
    for name, records in studies:
        for one in front_of(records):
            cells = [Cell(name), Cell(str(one.number), one.number, "n")]
            cells += [figure_cell(one.val_bpb), figure_cell(one.collapse_rate), count_cell(one.architecture.num_params)]
            rows.append(("", [*cells, Cell(one.architecture.describe(), kind="shape")]))
    return table(heads, rows, numeric=heads[1:5], sortable=True, label="Pareto fronts")


def _progress_table(studies: Named) -> str:
    heads = ("study", "trial", "FLOPs", "best fitness")
    rows: list[Row] = []
    for name, records in studies:
        least = float("inf")
        for spent, one in zip(spent_flops(records), records, strict=True):
            if one.is_complete and one.fitness is not None and one.fitness < least:
                least = one.fitness
                cells = [Cell(name), Cell(str(one.number), one.number, "n"), Cell(f"{spent:.3g}", spent, "n")]
                rows.append(("", [*cells, figure_cell(one.fitness)]))
    return table(heads, rows, numeric=heads[1:], sortable=True, label="Best so far")


def _differences(studies: Sequence[Compared]) -> str:
    settings = [
        dict(flat({"space": one.study.space, "identity": {k: v for k, v in one.study.identity.items() if k != "space"},
                   "corpus": one.study.corpus.get("content_hash"), "budget": one.study.budget}))
        for one in studies
    ]  # fmt: skip
    keys = dict.fromkeys(key for one in settings for key in one)
    differing = [key for key in keys if len({one.get(key) for one in settings}) > 1]
    rows: list[Row] = [
        ("", [Cell(key), *(Cell(one.get(key, MISSING), kind="wrap") for one in settings)]) for key in differing
    ]
    if not rows:
        return section("What differs", paragraph("Nothing: space, corpus, seed and settings are the same."))
    return section("What differs", table(("setting", *(one.name for one in studies)), rows, label="What differs"))
