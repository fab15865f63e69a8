"""The tables of the pages of full trainings: the evaluations of a run, and several runs by their best evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.training import TrainingLine, TrainingRun
from nas.report.parts.tables import Cell, Row, Table, count_cell, figure_cell
from nas.report.parts.words import MISSING, duration
from nas.report.run.summary import labels, progress

_EVALUATION_HEADS = (
    "step",
    "tokens",
    "FLOPs",
    "training loss",
    "bits per byte",
    "on novel lines",
    "perplexity",
    "learning rate",
    "tokens/s",
    "time",
)
_RUN_HEADS = (
    "run",
    "bits per byte",
    "on novel lines",
    "holdout",
    "collapse, sampled",
    "collapse, greedy",
    "params",
    "FLOPs",
    "architecture",
    "state",
)


def evaluations_table(run: TrainingRun) -> Table:
    """Return every line of the log: the figures of the curves."""
    earlier = [(), *(line.rollbacks for line in run.lines)]
    rows = [
        _evaluation_row(run, line, is_after_rollback=len(line.rollbacks) > len(before))
        for line, before in zip(run.lines, earlier, strict=False)
    ]
    return Table(_EVALUATION_HEADS, rows, numeric=_EVALUATION_HEADS, sortable=True, label="Evaluations")


def _evaluation_row(run: TrainingRun, line: TrainingLine, *, is_after_rollback: bool) -> Row:
    measured = line.measured
    cells = [
        Cell(f"{line.step:,}", line.step, "n", ("after a rollback",) if is_after_rollback else ()),
        count_cell(run.tokens_at(line)),
        Cell(f"{line.train_flops:.3g}", line.train_flops, "n"),
        figure_cell(line.train_loss),
        figure_cell(line.val_bpb, 4),
        figure_cell(line.val_novel_bpb, 4),
        figure_cell(line.val_perplexity, 1),
        Cell(f"{line.learning_rate:.2e}", line.learning_rate, "n"),
        count_cell(measured.tokens_per_second if measured else None),
        Cell(duration(measured.total_seconds), measured.total_seconds, "n") if measured else Cell(MISSING, kind="n"),
    ]
    return "best" if line == run.best else "", cells


def runs_table(runs: Sequence[TrainingRun]) -> Table:
    """Return the runs by their best evaluation, the lowest bits per byte first."""
    named = sorted(zip(labels(runs), runs, strict=True), key=lambda pair: _best_bpb(pair[1]))
    rows = [_run_row(name, run) for name, run in named]
    return Table(_RUN_HEADS, rows, numeric=_RUN_HEADS[1:8], sortable=True, label="Runs")


def _best_bpb(run: TrainingRun) -> float:
    return run.best.val_bpb if run.best else float("inf")


def _run_row(name: str, run: TrainingRun) -> Row:
    best, holdout, architecture = run.best, run.summary.holdout if run.summary else None, run.record.architecture
    cells = [
        Cell(name),
        figure_cell(best.val_bpb if best else None, 4),
        figure_cell(best.val_novel_bpb if best else None, 4),
        figure_cell(holdout.bpb if holdout else None, 4),
        figure_cell(holdout.sampled_collapse_rate if holdout else None),
        figure_cell(holdout.greedy_collapse_rate if holdout else None),
        count_cell(architecture.num_params),
        Cell(f"{best.train_flops:.3g}", best.train_flops, "n") if best else Cell(MISSING, kind="n"),
        Cell(architecture.describe(), kind="shape"),
        Cell(progress(run)),
    ]
    return "", cells
