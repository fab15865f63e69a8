"""Anything that was written down, as rows of key and value: a page's provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nas.report.parts.tables import Cell, Table
from nas.report.parts.words import MISSING

_MAX_LISTED = 12
"""Items of a list that are shown."""
_MAX_OPEN = 16
"""Entries of a group that is not folded."""


@dataclass(frozen=True)
class Group:
    """A heading and the entries under it, for the macro `provenance`."""

    name: str
    table: Table

    @property
    def is_long(self) -> bool:
        return len(self.table.rows) > _MAX_OPEN


def groups(values: Mapping[str, Mapping[str, Any]]) -> list[Group]:
    """Return a group for each heading with values under it."""
    return [Group(name, _table(name, entries)) for name, entries in values.items() if entries]


def _table(name: str, entries: Mapping[str, Any]) -> Table:
    return Table((), [("", [Cell(key), Cell(value, kind="wrap")]) for key, value in flat(entries)], label=name)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield keys and values as words; the keys of a nested object follow that object's own."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{name} · ")
        elif isinstance(value, (list, tuple)):
            more = f", and {len(value) - _MAX_LISTED} more" if len(value) > _MAX_LISTED else ""
            yield name, (", ".join(map(str, value[:_MAX_LISTED])) + more) or MISSING
        else:
            yield name, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e15 else f"{value:.3e}"
    return f"{value:,}" if isinstance(value, int) else str(value)
