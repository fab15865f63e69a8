"""`python -m benchmarks.workers`: do two single-threaded workers end twice the trials of one?

`--workers 1` would give its worker every core, so that search is held to one core and then has one thread; the one
with two workers has two cores. Trials are smaller than the default's, so that a search takes minutes.
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
    built = parser("workers", "Count the trials per hour of one and of two single-threaded workers.")
    built.add_argument("--trials", type=cli.positive_int, default=6, metavar="N", help="of each search (default: 6)")
    built.add_argument("--trial-flops", type=cli.positive_float, default=5e11, metavar="N", help="(default: 5e11)")
    built.add_argument("--rounds", type=cli.positive_int, default=2, metavar="N", help="searches of each (default: 2)")
    arguments = built.parse_args(argv)
    cores = usable_cores()
    searches: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        run_search(Path(folder) / "warm-up", cores, 2, 1, arguments.trial_flops)  # the data cache, the disk's too
        for number in range(arguments.rounds):
            for workers in CONTENDERS:
                out = Path(folder) / f"{number}-{workers}"
                records = run_search(out, cores[:workers], workers, arguments.trials, arguments.trial_flops)
                searches.append(rate(records, workers))
                print_progress(f"{workers} workers: {searches[-1]['trials_per_hour']:.1f} trials per hour")
    of = {workers: [one["trials_per_hour"] for one in searches if one["workers"] == workers] for workers in CONTENDERS}
    found = {
        "trials": arguments.trials,
        "trial_flops": arguments.trial_flops,
        "searches": searches,
        "median_ratio": statistics.median(two / one for one, two in zip(of[1], of[2], strict=True)),
    }
    write_result("workers", arguments.out, argv, found)
    return 0


def usable_cores() -> list[int]:
    """Two cores of this process; UsageError where there are fewer, or where none can be chosen."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = sorted(affinity(0)) if affinity else []
    if len(cores) < max(CONTENDERS):
        raise UsageError(f"this needs Linux and {max(CONTENDERS)} cores, found {len(cores)} that can be chosen")
    return cores[: max(CONTENDERS)]


def run_search(out: Path, cores: Sequence[int], workers: int, trials: int, trial_flops: float) -> list[TrialRecord]:
    """The records of a search that may use `cores` only."""
    command = [sys.executable, "-m", "nas.search", "--quiet", "--device", "cpu", "--out", str(out), "--name", "search"]
    command += ["--workers", str(workers), "--budget", str(trials), "--trial-flops", str(trial_flops)]
    ran = subprocess.run(
        command, preexec_fn=lambda: os.sched_setaffinity(0, cores), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise StudyError(f"nas.search failed: {ran.stderr.strip()[-300:]}")
    return read_trials(out / "search" / "trials.jsonl")


def rate(records: Sequence[TrialRecord], workers: int) -> dict[str, Any]:
    """Trials per hour, from the start of the first trial until one of the workers finds no other."""
    measured = [one.measured for one in records if one.measured]
    starts = [datetime.fromisoformat(one.started).timestamp() for one in measured]
    spans = [(start, start + one.total_seconds) for start, one in zip(starts, measured, strict=True)]
    training, total = sum(one.train_seconds for one in measured), sum(one.total_seconds for one in measured)
    return {
        "workers": workers,
        "architectures": [one.architecture.id for one in records],
        "trials_with_times": len(spans),
        "seconds": max(end for _, end in spans) - min(starts),
        "training_share": training / total,
        "trials_per_hour": trials_per_hour(spans, workers),
    }


def trials_per_hour(spans: Sequence[tuple[float, float]], workers: int) -> float:
    """Of (start, end) in seconds. The time ends when the first worker has nothing left to do; of a trial that goes on
    then, the part until then counts. So the rate is that of a long search, whatever the last trials' lengths are."""
    begin = min(start for start, _ in spans)
    end = sorted(end for _, end in spans)[-workers]
    done = sum(min(1.0, max(0.0, (end - start) / (last - start))) for start, last in spans)
    return 3600 * done / (end - begin)


if __name__ == "__main__":
    cli.run(main, "benchmarks.workers")
