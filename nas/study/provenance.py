"""Where a result comes from: command, versions, machine, date."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from nas import __version__
from nas.study.on_ray import OnRay
from nas.trial.machine import describe_machine


def provenance(command: str, num_workers: int | None, on_ray: OnRay | None = None) -> dict[str, Any]:
    """None workers are as many as there was room for on a Ray cluster."""
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "workers": num_workers,
        **({"ray": asdict(on_ray)} if on_ray else {}),
        "machine": describe_machine(),
        "versions": {"codenas": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "optuna", "tokenizers", "numpy")},
    }
