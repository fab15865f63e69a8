"""Running commands: in this process if the outcome is enough, in their own process if they are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nas import cli
from nas.records.trial import TrialRecord, read_trials

# Two torch threads that share a core with other programs wait for each other by spinning, ten times as long as
# they compute; asleep they do not. Results are the same.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
PATIENCE = 120.0


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The only line of stderr, which must be an error."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if ": error: " in line]
        assert len(lines) == 1, self.err
        assert self.err.endswith(f"{lines[0]}\n"), self.err
        return lines[0]


def ran(main: Callable[[list[str]], int], name: str, argv: list[str], capture: pytest.CaptureFixture[str]) -> Ran:
    """Run a command in this process, from its arguments to its exit code."""
    terminate = signal.getsignal(signal.SIGTERM)
    capture.readouterr()
    try:
        with warnings.catch_warnings(), pytest.raises(SystemExit) as exit:
            cli.run(lambda: main(argv), name)
    finally:
        signal.signal(signal.SIGTERM, terminate)
    written = capture.readouterr()
    return Ran(int(exit.value.code or 0), written.out, written.err)


def start(argv: list[str], prelude: str = "") -> subprocess.Popen[str]:
    """Start `nas.search` as the leader of its own process group; `prelude` is Python code to run first."""
    command = ["-m", "nas.search"]
    if prelude:
        run = "from nas import cli\nfrom nas.search import __main__ as search\ncli.run(search.main, 'nas.search')"
        command = ["-c", f"{prelude}\n{run}"]
    return subprocess.Popen(
        [sys.executable, *command, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ENVIRONMENT,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Ran:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        kill_group(process)
    return Ran(process.returncode, out, err)


def kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a condition; a process that ends before is a failure."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended early with {process.returncode}: {process.communicate()}")
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)


def alive_in_group(process: subprocess.Popen[str]) -> list[str]:
    """Return the living processes of a group, without zombies."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,pid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [pid for group, pid, state in rows if int(group) == process.pid and not state.startswith("Z")]


def num_ended(folder: Path) -> int:
    path = folder / "trials.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def trials(folder: Path) -> list[TrialRecord]:
    return read_trials(folder / "trials.jsonl")


def reproducible(folder: Path) -> list[dict[str, object]]:
    return [record.reproducible() for record in trials(folder)]
