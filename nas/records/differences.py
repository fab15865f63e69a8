"""The differences between stored settings and requested ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_NAMED = 4


def describe_differences(stored: Mapping[str, Any], requested: Mapping[str, Any]) -> str | None:
    """Return up to MAX_NAMED differing values by their path, and how many more differ; None if all are equal.

    Keys that only `stored` has do not count as differences.
    """
    keys = [key for key in requested if stored.get(key) != requested[key]]
    before = dict(_leaves({key: stored.get(key) for key in keys}))
    now = dict(_leaves({key: requested[key] for key in keys}))
    paths = [path for path in before | now if before.get(path) != now.get(path)]
    # A key whose value is None and that is not stored at all differs in no leaf: its section is named.
    named = [f"{path}: stored {before.get(path)}, requested {now.get(path)}" for path in paths] or keys
    more = f"; and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return "; ".join(named[:MAX_NAMED]) + more if named else None


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, content in value.items():
        if isinstance(content, Mapping):
            yield from _leaves(content, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", content
