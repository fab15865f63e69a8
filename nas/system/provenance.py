"""Provenance of a result: command, date, machine, revision and versions."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nas import __version__
from nas.system.machine import describe_machine


def provenance(command: str, num_workers: int | None, ray: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the provenance that a record stores.

    `num_workers` is None if it was as many as the Ray cluster had room for.
    """
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "workers": num_workers,
        **({"ray": dict(ray)} if ray else {}),
        "machine": describe_machine(),
        "revision": revision(),
        "versions": {"codenas": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "optuna", "tokenizers", "numpy")},
    }


def revision() -> str | None:
    """Return the checked-out commit, with "-dirty" if files differ from it, or None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # git is missing, or the folder belongs to another user
        return None
