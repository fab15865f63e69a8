"""The flags that experiments share, so that each is called the same everywhere."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

from nas import cli

STOPPED = "stopped after --hours; run the same command again to continue"


def parser(name: str, description: str, *, data: str | None = None, doc: bool = True) -> argparse.ArgumentParser:
    """Return the parser of `python -m experiments.NAME`, with --data where `data` names its file, and with --doc."""
    built = cli.parser(f"experiments.{name}", description)
    folder = Path("experiments") / name
    if data:
        built.add_argument(
            "--data", type=Path, default=folder / data, metavar="FILE", help="the results (default: %(default)s)"
        )
    if doc:
        built.add_argument(
            "--doc",
            type=Path,
            default=folder / "README.md",
            metavar="FILE",
            help="the page that gets the tables (default: %(default)s)",
        )
    return built


def add_schedule(built: argparse.ArgumentParser) -> None:
    """Add --workers and --hours."""
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="worker processes (default: one per core)")
    built.add_argument("--hours", type=cli.positive_float, metavar="H", help="start nothing after this many hours")


def add_device(built: argparse.ArgumentParser) -> None:
    """Add --device."""
    built.add_argument("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: cpu)")


def deadline_of(arguments: argparse.Namespace) -> float:
    """Return the time, by time.monotonic(), after which nothing is started; infinite without --hours."""
    return time.monotonic() + 3600 * arguments.hours if arguments.hours else math.inf


def num_workers_of(arguments: argparse.Namespace) -> int:
    """Return --workers, by default the number of cores."""
    from nas.system.machine import available_cores

    return int(arguments.workers or available_cores())
