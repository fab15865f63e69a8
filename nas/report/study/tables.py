"""The tables of a study's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.records.trial import TrialRecord
from nas.report.charts.learning import training_bpb
from nas.report.charts.prediction import PredictedCurve
from nas.report.parts.scores import was_stopped
from nas.report.parts.tables import Cell, Row, Table, count_cell, figure_cell
from nas.report.parts.words import MISSING, duration, fixed, flops_words, title
from nas.report.study.view import StudyView

_FINALIST_HEADS = (
    "model",
    "bits per byte",
    "on novel lines",
    "perplexity",
    "collapse sampled",
    "collapse greedy",
    "fitness",
    "gap to the best",
    "params",
    "architecture",
)
_TRIAL_HEADS = (
    "trial",
    "fitness",
    "bits per byte",
    "on novel lines",
    "sampled",
    "greedy",
    "params",
    "lr ×",  # noqa: RUF001 - the sign is shown to people
    "time",
    "architecture",
    "state",
)
_SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of a training at which its learning curve is tabled."""


def finalists_table(view: StudyView) -> Table:
    """Return each finalist's means over seeds, and the compressors on the same bytes; there must be a verdict."""
    comparison = view.comparison
    assert comparison is not None
    rows: list[Row] = []
    for finalist in comparison.finalists:
        record = view.by_number[finalist.number]
        width = finalist.half_width
        cells = [
            Cell(f"trial {finalist.number}", tags=(record.reference,) if record.reference else ()),
            figure_cell(finalist.bpb),
            figure_cell(finalist.novel_bpb),
            figure_cell(finalist.perplexity, 1),
            figure_cell(finalist.sampled_collapse_rate),
            figure_cell(finalist.greedy_collapse_rate),
            figure_cell(finalist.fitness),
            Cell("" if width is None else f"{finalist.gap:+.3f} ± {width:.3f}", kind="n"),
            count_cell(record.architecture.num_params),
            Cell(record.architecture.describe(), kind="shape"),
        ]
        rows.append(("best" if finalist.number == comparison.chosen else "", cells))
    for name, bpb in sorted(view.study.compressors.get("holdout", {}).items(), key=lambda pair: -pair[1]):
        rows.append(("aside", [Cell(f"{name} (compressor)"), figure_cell(bpb), *[Cell("")] * 8]))
    return Table(_FINALIST_HEADS, rows, numeric=_FINALIST_HEADS[1:9], label="Finalists on the holdout")


def trials_table(view: StudyView) -> Table:
    """Return all trials that ended, the ranked ones first; the others are dimmed and say why they ended."""
    on_front = {record.number for record in view.front}
    rows = [_trial_row(record, record.number in on_front) for record in (*view.ranked, *view.unfinished)]
    if view.ranked:
        rows[0] = ("best", rows[0][1])
    return Table.long(_TRIAL_HEADS, rows, _TRIAL_HEADS[:9], "All trials", id="trials-table")


def _trial_row(record: TrialRecord, on_front: bool) -> Row:
    metrics = record.validation
    seconds = record.measured.total_seconds if record.measured else None
    cells = [
        Cell(str(record.number), record.number, "n"),
        figure_cell(record.fitness),
        figure_cell(record.val_bpb),
        figure_cell(record.val_novel_bpb),
        figure_cell(metrics.sampled_collapse_rate if metrics else None),
        figure_cell(metrics.greedy_collapse_rate if metrics else None),
        count_cell(record.architecture.num_params),
        figure_cell(record.lr_multiplier, 2),
        Cell(MISSING if seconds is None else duration(seconds), seconds, "n"),
        Cell(
            record.architecture.describe(),
            kind="shape",
            tags=((record.reference,) if record.reference else ()) + (("front",) if on_front else ()),
        ),
        _state(record),
    ]
    return "" if record.is_complete else "aside", cells


def _state(record: TrialRecord) -> Cell:
    state = "failed" if record.state == "FAIL" else record.state.lower()
    if not record.reason:
        return Cell(state)
    scored = f", at {fixed(record.rungs[-1].val_bpb)} bits per byte" if was_stopped(record) else ""
    return Cell(f"{state}: {record.reason}{scored}", kind="wrap")


def rungs_table(view: StudyView, flops: Sequence[float]) -> Table:
    """Return the bits per byte of each trial at the rungs, of these FLOPs."""
    heads = ("trial", *(f"bits per byte at {flops_words(amount)} FLOPs" for amount in flops), "architecture")
    rows: list[Row] = []
    for record in view.records:
        if record.rungs:
            scores = {result.rung: result.val_bpb for result in record.rungs}
            cells = [Cell(title(record), record.number), *(figure_cell(scores.get(rung)) for rung in range(len(flops)))]
            rows.append(("" if record.is_complete else "aside", [*cells, Cell(record.architecture.describe())]))
    return Table.long(heads, rows, heads[1:-1], "Bits per byte at the rungs")


def curves_table(view: StudyView) -> Table:
    """Return the training bits per byte of each trial at shares of its own training."""
    heads = ("trial", *(f"after {share:.0%}" for share in _SHARES), "architecture")
    rows: list[Row] = []
    for record in view.records:
        points = sorted(training_bpb(record), key=lambda point: point[0].train_flops)
        if points:
            values = [points[max(0, round(share * len(points)) - 1)][1] for share in _SHARES]
            shape = Cell(record.architecture.describe(), kind="shape")
            rows.append(("", [Cell(title(record), record.number), *map(figure_cell, values), shape]))
    return Table.long(heads, rows, heads[1:-1], "Training curves")


def prediction_table(curve: PredictedCurve) -> Table:
    rows: list[Row] = [
        ("", [Cell(flops_words(flops)), *map(figure_cell, (predicted.bpb, predicted.low, predicted.high))])
        for flops, predicted in curve
    ]
    figures = ("predicted", "low", "high")
    return Table(("FLOPs", *figures), rows, numeric=figures, label="Predicted bits per byte")


def importance_table(shares: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the share of each dimension, the largest of the first objective on top."""
    first = next(iter(shares.values()))
    rows: list[Row] = [
        ("", [Cell(name), *(figure_cell(of_objective.get(name)) for of_objective in shares.values())])
        for name in sorted(first, key=lambda name: -first[name])
    ]
    return Table(("dimension", *shares), rows, numeric=tuple(shares), label="Importances")


def hypervolume_table(volumes: Sequence[tuple[int, float]]) -> Table:
    heads = ("after trial", "hypervolume")
    rows: list[Row] = [("", [Cell(str(number), number, "n"), figure_cell(volume, 4)]) for number, volume in volumes]
    return Table(heads, rows, numeric=heads, label="Hypervolume", tall=len(rows) > 20)
