"""The benchmark `python -m benchmarks.startup`: the time until `--help` answers, and until a search trains.

A record has the time, in whole seconds, at which the first trial's worker begins to build the model. It also has the
time from there to the end of training (leak gate, a few steps). The sum, plus a second for the rounding, is an upper
bound on the time to the end of the first step.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks.results import parser, write_result
from benchmarks.timing import interleaved, spread
from nas import cli
from nas.errors import StudyError
from nas.records.trial import read_trials

HELP = ["-m", "nas.search", "--help"]
TRIAL_FLOPS = 1e10
"""About the smallest budget for which the default space has legal architectures."""
SEARCH = ["-m", "nas.search", "--quiet", "--budget", "1", "--trial-flops", str(TRIAL_FLOPS)]
STAMP_SECONDS = 1.0


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser(
        "startup", "Time `nas.search --help`, and the start of a search up to its first training step."
    )
    arguments_parser.add_argument(
        "--rounds", type=cli.positive_int, default=7, metavar="N", help="calls of --help (default: 7)"
    )
    arguments_parser.add_argument(
        "--searches", type=cli.positive_int, default=3, metavar="N", help="searches that are started (default: 3)"
    )
    arguments = arguments_parser.parse_args(argv)
    commands = {"python -c pass": ["-c", "pass"], "python -m nas.search --help": HELP}
    seconds = interleaved(
        {name: partial(run_python, argv_of_python) for name, argv_of_python in commands.items()}, arguments.rounds
    )
    start_search()  # fills the data cache if it is cold
    starts = [start_search() for _ in range(arguments.searches)]
    result = {
        "commands": [{"name": name, "seconds": spread(times)} for name, times in seconds.items()],
        "rounds": arguments.rounds,
        "searches": arguments.searches,
        "trial_flops": TRIAL_FLOPS,
        "to_first_trial_seconds": spread([stamp for stamp, _ in starts]),
        "to_first_step_at_most_seconds": spread([stamp + work + STAMP_SECONDS for stamp, work in starts]),
    }
    write_result("startup", arguments.out, argv, result)
    return 0


def run_python(arguments: Sequence[str]) -> None:
    """Run this Python with arguments; raise StudyError with the end of its error output if it fails."""
    process = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if process.returncode:
        raise StudyError(f"python {' '.join(arguments)} failed: {process.stderr.strip()[-300:]}")


def start_search() -> tuple[float, float]:
    """Return the seconds from the launch of a search to its trial's start, and from there to its last step."""
    with tempfile.TemporaryDirectory() as out:
        launched = time.time()
        run_python([*SEARCH, "--out", out, "--name", "search"])
        measured = read_trials(Path(out) / "search" / "trials.jsonl")[0].measured
    if measured is None:
        raise StudyError(
            "the trial of the search did not complete, so its times are unknown; run python -m nas.search to see why"
        )
    work = measured.total_seconds - measured.evaluate_seconds - measured.generate_seconds
    return datetime.fromisoformat(measured.started).timestamp() - launched, work


if __name__ == "__main__":
    cli.run(main, "benchmarks.startup")
