"""The benchmark `python -m benchmarks.workers`: the trials per hour of one and of two single-threaded workers.

`--workers 1` would give its worker every core, so that search may use one core only, which gives it one thread; the
search with two workers may use two cores. Trials are smaller than by default, so that a search takes minutes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.results import parser, write_result
from nas import cli
from nas.data.prepare import print_progress
from nas.errors import StudyError, UsageError
from nas.records.trial import TrialRecord, read_trials

CONTENDERS = (1, 2)


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("workers", "Count the trials per hour of one and of two single-threaded workers.")
    arguments_parser.add_argument(
        "--trials", type=cli.positive_int, default=6, metavar="N", help="trials of each search (default: 6)"
    )
    arguments_parser.add_argument(
        "--trial-flops", type=cli.positive_float, default=5e11, metavar="N", help="FLOPs of a trial (default: 5e11)"
    )
    arguments_parser.add_argument(
        "--rounds",
        type=cli.positive_int,
        default=2,
        metavar="N",
        help="searches with each number of workers (default: 2)",
    )
    arguments = arguments_parser.parse_args(argv)
    cores = usable_cores()
    searches: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        run_search(
            Path(folder) / "warm-up", cores, 2, 1, arguments.trial_flops
        )  # fills the data cache and that of the disk
        for number in range(arguments.rounds):
            for workers in CONTENDERS:
                out = Path(folder) / f"{number}-{workers}"
                records = run_search(out, cores[:workers], workers, arguments.trials, arguments.trial_flops)
                searches.append(rate(records, workers))
                print_progress(f"{workers} workers: {searches[-1]['trials_per_hour']:.1f} trials per hour")
    rates = {
        workers: [search["trials_per_hour"] for search in searches if search["workers"] == workers]
        for workers in CONTENDERS
    }
    result = {
        "trials": arguments.trials,
        "trial_flops": arguments.trial_flops,
        "searches": searches,
        "median_ratio": statistics.median(double / single for single, double in zip(rates[1], rates[2], strict=True)),
    }
    write_result("workers", arguments.out, argv, result)
    return 0


def usable_cores() -> list[int]:
    """Return two cores of this process; raise UsageError if there are fewer or the system cannot choose them."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = sorted(affinity(0)) if affinity else []
    if len(cores) < max(CONTENDERS):
        raise UsageError(
            f"found {len(cores)} cores that can be chosen; run this on Linux with at least {max(CONTENDERS)} cores"
        )
    return cores[: max(CONTENDERS)]


def run_search(out: Path, cores: Sequence[int], workers: int, trials: int, trial_flops: float) -> list[TrialRecord]:
    """Run a search that may only use `cores`, and return its records."""
    command = [sys.executable, "-m", "nas.search", "--quiet", "--device", "cpu", "--out", str(out), "--name", "search"]
    command += ["--workers", str(workers), "--budget", str(trials), "--trial-flops", str(trial_flops)]
    process = subprocess.run(
        command, preexec_fn=lambda: os.sched_setaffinity(0, cores), capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise StudyError(f"nas.search failed: {process.stderr.strip()[-300:]}")
    return read_trials(out / "search" / "trials.jsonl")


def rate(records: Sequence[TrialRecord], workers: int) -> dict[str, Any]:
    """Return the trials per hour from the start of the first trial until a worker is idle, with related facts."""
    measured = [record.measured for record in records if record.measured]
    starts = [datetime.fromisoformat(times.started).timestamp() for times in measured]
    spans = [(start, start + times.total_seconds) for start, times in zip(starts, measured, strict=True)]
    training = sum(times.train_seconds for times in measured)
    total = sum(times.total_seconds for times in measured)
    return {
        "workers": workers,
        "architectures": [record.architecture.id for record in records],
        "trials_with_times": len(spans),
        "seconds": max(end for _, end in spans) - min(starts),
        "training_share": training / total,
        "trials_per_hour": trials_per_hour(spans, workers),
    }


def trials_per_hour(spans: Sequence[tuple[float, float]], workers: int) -> float:
    """Return the trials per hour of spans (start, end) in seconds.

    The time ends when the first worker is idle. A trial that still runs then counts by the part that is done, so that
    the rate is that of a long search and does not depend on the length of the last trials.
    """
    begin = min(start for start, _ in spans)
    end = sorted(end for _, end in spans)[-workers]
    done = sum(min(1.0, max(0.0, (end - start) / (last - start))) for start, last in spans)
    return 3600 * done / (end - begin)


if __name__ == "__main__":
    cli.run(main, "benchmarks.workers")
