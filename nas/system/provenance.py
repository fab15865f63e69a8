"""Where a result comes from: command, versions, revision, machine, date."""

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
    """None workers are as many as there was room for on a Ray cluster."""
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
    """The commit that runs, "-dirty" where files differ from it; None where codenas is no checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git here, or a folder of someone else's
        return None
