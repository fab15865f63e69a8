"""What sets settings that are stored apart from those that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_NAMED = 4


def difference_words(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """MAX_NAMED of the values that differ, by their path in `asked`, and how many more do; None where none does.

    Keys that only `stored` has are no difference.
    """
    keys = [key for key in asked if stored.get(key) != asked[key]]
    before = dict(_leaves({key: stored.get(key) for key in keys}))
    now = dict(_leaves({key: asked[key] for key in keys}))
    leaves = [one for one in before | now if before.get(one) != now.get(one)]
    # A key of None that is not stored at all differs in no leaf: its section is named.
    named = [f"{one}: stored {before.get(one)}, asked {now.get(one)}" for one in leaves] or keys
    more = f"; and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    return "; ".join(named[:MAX_NAMED]) + more if named else None


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield from _leaves(one, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", one
