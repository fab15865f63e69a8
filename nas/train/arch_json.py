"""What stands in an arch JSON beside the architecture, checked where it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from nas.errors import UsageError

_Number = TypeVar("_Number", int, float)


def section(exported: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object of the arch JSON; empty when it is not there, UsageError when it is no object."""
    found = exported.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"the arch JSON's '{name}' is an object of keys, found {found!r}")
    return found


def positive(stored: Mapping[str, Any], name: str, default: _Number) -> _Number:
    """A number above 0 of the arch JSON's recipe, of the default's type."""
    value = stored.get(name, default)
    kinds = (int, float) if isinstance(default, float) else int
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        raise UsageError(f"the arch JSON's recipe has {name} {value!r}; it is a number above 0")
    return type(default)(value)
