"""Tables, of a page and of a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nas.report.parts.words import MISSING, count, fixed

_MAX_SHORT = 20
"""Rows of a table that needs no height of its own."""


class Cell(NamedTuple):
    """A cell of a page's table: the text it shows, and the number it sorts by where that is not the text."""

    shown: str
    value: float | None = None
    kind: str = ""
    """CSS class: `n` for numbers, `wrap` for long text, `shape` for an architecture."""
    tags: tuple[str, ...] = ()

    @property
    def sort_key(self) -> str | None:
        """Value by which the column is sorted: empty for a missing value, None to sort by the text."""
        if self.value is not None:
            return repr(self.value)
        return "" if self.shown == MISSING else None


def figure_cell(value: float | None, digits: int = 3) -> Cell:
    return Cell(fixed(value, digits), value, "n")


def count_cell(value: float | None) -> Cell:
    return Cell(MISSING if value is None else count(value), value, "n")


Row = tuple[str, Sequence[Cell]]
"""A table row: its CSS class and its cells."""


@dataclass(frozen=True)
class Table:
    """Table as the macro `table` writes it: column names and rows."""

    heads: Sequence[str]
    rows: Sequence[Row]
    numeric: Collection[str] = ()
    """The heads of columns of numbers."""
    sortable: bool = False
    """Whether a click on a head sorts."""
    id: str = ""
    label: str = "table"
    """Description of the table for screen readers."""
    tall: bool = False
    """Whether it scrolls at a height of its own."""

    @classmethod
    def long(
        cls, heads: Sequence[str], rows: Sequence[Row], numeric: Collection[str], label: str, id: str = ""
    ) -> Table:
        """Return a sortable table that scrolls at a height of its own once it has many rows."""
        return cls(heads, rows, numeric, sortable=True, id=id, label=label, tall=len(rows) > _MAX_SHORT)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of text with their columns aligned: to the right, the last one to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
