"""The log of a run: one JSON object a line, one line an evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path

from nas.system.files import write_text


def cut_log(path: Path, step: int) -> None:
    """Leave out what was logged after `step`: those steps are done again."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step_of(line) <= step]
        if kept != lines:
            write_text(path, "".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    """The step of a log line; infinite for a torn one."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
