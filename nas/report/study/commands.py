"""Next steps as commands that can be copied: train, audit, reproduce."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas.records.study import StudyRecord
from nas.report.parts.words import Command

DEFAULT_STEPS = 2000


def next_commands(folder: Path, study: StudyRecord) -> list[Command]:
    """Return the commands that the folder has the files for."""
    commands = []
    arch = folder / "arch.json"
    if arch.is_file():
        quoted = shlex.quote(str(arch))
        amount = f"--flops {study.at_target.target_flops:.3g}" if study.at_target else f"--max-steps {DEFAULT_STEPS}"
        commands += [
            Command("Train it fully", f"python -m nas.train --arch-json {quoted} {amount}"),
            Command("Audit it for leaks of the answer", f"python -m nas.audit {quoted} --train"),
        ]
    if made_by := study.provenance.get("command"):
        commands.append(Command("Reproduce the search" if study.complete else "Resume the search", str(made_by)))
    return commands
