"""Facts about the machine: the cores that this process may use, the processor and the GPU."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any


def available_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """Return the operating system, the processor, the usable cores and, if torch is loaded, the GPU."""
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": available_cores(),
    }
    torch = sys.modules.get("torch")  # never imported here: plain data must load fast
    if torch is not None and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
