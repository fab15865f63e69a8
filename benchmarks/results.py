"""What a script found, as JSON beside what it was found on."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from nas import __version__, cli
from nas.system.files import write_json

FOLDER = Path(__file__).parent / "results"
_LIBRARIES = ("torch", "transformers", "tokenizers", "optuna", "numpy")


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The arguments of the script `name`: where its result goes, and what the script adds."""
    built = cli.parser(f"benchmarks.{name}", description)
    built.add_argument(
        "--out", type=Path, default=FOLDER, metavar="DIR", help="folder of the JSON (default: benchmarks/results)"
    )
    return built


def write_result(name: str, folder: Path, argv: list[str] | None, found: Mapping[str, Any]) -> None:
    """Write NAME.json, command, date, machine and versions before what was found, and print its tables."""
    from benchmarks.table import tables
    from nas.system.machine import describe_machine

    about = {
        "command": cli.command_line(f"benchmarks.{name}", argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": {"codenas": __version__, "python": platform.python_version()}
        | {library: version(library) for library in _LIBRARIES},
    }
    path = folder / f"{name}.json"
    write_json(path, about | dict(found))
    print(tables(name, read_result(path)), f"wrote {path}", sep="\n\n", flush=True)


def read_result(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
