"""Anything that was written down, as rows of key and value: a page's provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nas.report.parts.markup import behind, section, table, text
from nas.report.parts.tables import Cell, Row, Table
from nas.report.parts.words import MISSING

_LIST_SHOWN = 12
_OPEN = 16
"""So many entries stand open."""


def provenance_section(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Heading -> what stands under it; empty groups are left out."""
    return section(
        "Corpus and provenance",
        *(_group(name, values) for name, values in groups.items() if values),
    )


def _group(name: str, values: Mapping[str, Any]) -> str:
    """A long one is a click away."""
    rows: list[Row] = [("", [Cell(key), Cell(value, kind="wrap")]) for key, value in flat(values)]
    shown = f'<div class="keys">{table((), rows, label=name)}</div>'
    return behind(f"{name}: {len(rows)} entries", shown) if len(rows) > _OPEN else f"<h3>{text(name)}</h3>\n{shown}"


@dataclass(frozen=True)
class Group:
    """A heading and what stands under it, for the macro `provenance`."""

    name: str
    table: Table

    @property
    def is_long(self) -> bool:
        return len(self.table.rows) > _OPEN


def groups(values: Mapping[str, Mapping[str, Any]]) -> list[Group]:
    """Return a group for each heading with values under it."""
    return [Group(name, _table(name, entries)) for name, entries in values.items() if entries]


def _table(name: str, entries: Mapping[str, Any]) -> Table:
    return Table((), [("", [Cell(key), Cell(value, kind="wrap")]) for key, value in flat(entries)], label=name)


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Key and value as words; the keys of an object within follow its own."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{name} · ")
        elif isinstance(value, (list, tuple)):
            more = f", and {len(value) - _LIST_SHOWN} more" if len(value) > _LIST_SHOWN else ""
            yield name, (", ".join(str(one) for one in value[:_LIST_SHOWN]) + more) or MISSING
        else:
            yield name, _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e15 else f"{value:.3e}"
    return f"{value:,}" if isinstance(value, int) else str(value)
