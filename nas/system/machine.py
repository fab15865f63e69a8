"""Describe the machine: the cores that this process may use, the processor and the GPU."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any


def available_cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """Return operating system, processor, usable cores and, in a process that has loaded torch, its GPU."""
    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": available_cores(),
    }
    torch = sys.modules.get("torch")  # not imported for this: plain data must load in a moment
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
