"""The folder that keeps prepared data and fetched files between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Return $CODENAS_CACHE, else $XDG_CACHE_HOME/codenas, else ~/.cache/codenas."""
    # By hand: three lines do not justify platformdirs as a dependency.
    if chosen := os.environ.get("CODENAS_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "codenas"
