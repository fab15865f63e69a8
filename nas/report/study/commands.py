"""What to do next, as commands that can be copied: retrain, audit, reproduce."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas.records.study import StudyRecord
from nas.report.parts.markup import command, paragraph

DEFAULT_STEPS = 2000


def next_commands(folder: Path, study: StudyRecord) -> list[tuple[str, str]]:
    """(what for, command), those that the folder has the files for."""
    found = []
    arch = folder / "arch.json"
    if arch.is_file():
        quoted = shlex.quote(str(arch))
        amount = f"--flops {study.at_target.target_flops:.3g}" if study.at_target else f"--max-steps {DEFAULT_STEPS}"
        found += [
            ("Train it fully", f"python -m nas.train --arch-json {quoted} {amount}"),
            ("Audit it for leaks of the answer", f"python -m nas.audit {quoted} --train"),
        ]
    made_by = study.provenance.get("command")
    if made_by:
        what = "Reproduce the search" if study.complete else "Go on with the search"
        found.append((what, str(made_by)))
    return found


def commands_section(folder: Path, study: StudyRecord) -> str:
    parts = [paragraph(f"{what}:") + "\n" + command(words) for what, words in next_commands(folder, study)]
    return "\n".join(["<h3>What to do next</h3>", *parts]) if parts else ""
