"""The ranking and the front as aligned lines of text; `novel` is val_bpb on novel lines alone."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.study import TrialRecord, completed
from nas.records.study import front as front_of
from nas.report.parts.words import count, fixed

HEADER = ("rank", "trial", "val_bpb", "novel", "collapse", "fitness", "params", "architecture")


def ranking(records: Sequence[TrialRecord], top: int = 10) -> list[str]:
    """The `top` COMPLETE trials by fitness under a line of column names; no line when none is complete."""
    return _lines(completed(records)[:top])


def front(records: Sequence[TrialRecord]) -> list[str]:
    """The trials that no other beats in bits per byte, collapse rate and parameters at once, best fitness first."""
    return _lines(front_of(records))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other: the last begins where it begins, the others end where they end."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def _lines(ranked: Sequence[TrialRecord]) -> list[str]:
    rows = [HEADER, *(_row(rank, one) for rank, one in enumerate(ranked, start=1))]
    return aligned(rows) if ranked else []


def _row(rank: int, record: TrialRecord) -> tuple[str, ...]:
    name = f" ({record.reference})" if record.reference else ""
    return (
        str(rank),
        str(record.number),
        fixed(record.val_bpb),
        fixed(record.val_novel_bpb),
        fixed(record.collapse_rate),
        fixed(record.fitness),
        count(record.architecture.num_params),
        record.architecture.describe() + name,
    )
