"""Differences between runs or studies, as a table with a column for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.parts.key_values import flat
from nas.report.parts.tables import Cell, Row, Table
from nas.report.parts.words import MISSING


def differences_table(names: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return every setting that is not the same in all of `settings`, which `names` names; None if all are the same."""
    flattened = [dict(flat(values)) for values in settings]
    keys = dict.fromkeys(key for values in flattened for key in values)
    rows: list[Row] = [
        ("", [Cell(key), *(Cell(values.get(key, MISSING), kind="wrap") for values in flattened)])
        for key in keys
        if len({values.get(key) for values in flattened}) > 1
    ]
    return Table(("setting", *names), rows, label="What differs") if rows else None
