"""The table of all trials, which sorts, filters and selects."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.study import TrialRecord, completed, front
from nas.report.parts.markup import paragraph, section, table
from nas.report.parts.scores import was_stopped
from nas.report.parts.tables import Cell, Row, count_cell, figure_cell
from nas.report.parts.words import MISSING, duration, fixed

_HEADS = (
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
_STATES = (
    ("", "all"),
    ("complete", "complete"),
    ("front", "on the front"),
    ("reference", "references"),
    ("pruned", "pruned"),
    ("failed", "failed"),
)


def trials_section(records: Sequence[TrialRecord]) -> str:
    """Every ended trial, the ranked ones first; those without a result are dimmed and say why."""
    ranked = completed(records)
    on_front = {one.number for one in front(records)}
    rest = [one for one in records if not one.is_complete]
    rows = [_row(one, on_front, is_best=index == 0) for index, one in enumerate(ranked)]
    rows += [_row(one, on_front, is_best=False) for one in rest]
    return section(
        "All trials",
        paragraph(
            "By fitness, then those without a result. On novel lines is bits per byte on the lines that stand in no "
            "training document. Sampled and greedy are collapse rates by decoding. “Front” marks "
            "trials that no other beats in bits per byte, collapse rate and parameters at once. Click a column to "
            "sort, a trial's number to see it in every chart.",
            "soft",
        ),
        _filter(),
        table(
            _HEADS, rows, numeric=_HEADS[:9], sortable=True, name="trials-table", label="All trials",
            tall=len(rows) > 20,
        ),
    )  # fmt: skip


def _filter() -> str:
    options = "".join(f'<option value="{value}">{shown}</option>' for value, shown in _STATES)
    return (
        '<div class="controls"><label class="wide">Filter by words, or by figures such as val_bpb&lt;1.7 or '
        'num_params&lt;1e6<input type="search" id="filter" autocomplete="off" spellcheck="false"></label>'
        f'<label>Show<select id="filter-state" autocomplete="off">{options}</select></label>'
        '<span id="filter-shown" class="soft" aria-live="polite"></span></div>'
    )


def _row(record: TrialRecord, on_front: set[int], *, is_best: bool) -> Row:
    judged = record.validation
    seconds = record.measured.total_seconds if record.measured else None
    tags = ((record.reference,) if record.reference else ()) + (("front",) if record.number in on_front else ())
    cells = [
        Cell(str(record.number), record.number, "n"),
        figure_cell(record.fitness),
        figure_cell(record.val_bpb),
        figure_cell(record.val_novel_bpb),
        figure_cell(judged.sampled_collapse_rate if judged else None),
        figure_cell(judged.greedy_collapse_rate if judged else None),
        count_cell(record.architecture.num_params),
        figure_cell(record.lr_multiplier, 2),
        Cell(MISSING if seconds is None else duration(seconds), seconds, "n"),
        Cell(record.architecture.describe(), kind="shape", tags=tags),
        _state(record),
    ]
    kind = "" if record.is_complete else "aside"
    return "best" if is_best else kind, cells


def _state(record: TrialRecord) -> Cell:
    state = record.state.lower() if record.state != "FAIL" else "failed"
    scored = f", at {fixed(record.rungs[-1].val_bpb)} bits per byte" if was_stopped(record) else ""
    return Cell(f"{state}: {record.reason}{scored}", kind="wrap") if record.reason else Cell(state)
