"""The result of a benchmark as JSON, with its command, date, machine and versions."""

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
    """Return the parser of the script `name`, with the flag for the folder of its result."""
    arguments_parser = cli.parser(f"benchmarks.{name}", description)
    arguments_parser.add_argument(
        "--out", type=Path, default=FOLDER, metavar="DIR", help="folder of the JSON (default: benchmarks/results)"
    )
    return arguments_parser


def write_result(name: str, folder: Path, argv: list[str] | None, result: Mapping[str, Any]) -> None:
    """Write NAME.json with command, date, machine and versions before the result, and print its tables."""
    from benchmarks.table import tables
    from nas.system.machine import describe_machine

    header = {
        "command": cli.command_line(f"benchmarks.{name}", argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": {"codenas": __version__, "python": platform.python_version()}
        | {library: version(library) for library in _LIBRARIES},
    }
    path = folder / f"{name}.json"
    write_json(path, header | dict(result))
    print(tables(name, read_result(path)), f"wrote {path}", sep="\n\n", flush=True)


def read_result(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result
