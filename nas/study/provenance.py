"""Where a result comes from: command, versions, machine, date."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from nas import __version__
from nas.trial.machine import describe_machine


def provenance(command: str, num_workers: int) -> dict[str, Any]:
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "workers": num_workers,
        "machine": describe_machine(),
        "versions": {"codenas": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "optuna", "tokenizers", "numpy")},
    }
