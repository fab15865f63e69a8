"""`python -m benchmarks.startup`: how long until `--help` answers, and until a search trains?

The first trial's start is stamped in its record, in whole seconds, when its worker begins to build the model. What
comes then up to the end of its training (leak gate, a few steps) is in the record too: with a second for the stamp
the sum is never less than the time to the end of the first step.
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
"""The default space has legal architectures down to about here."""
SEARCH = ["-m", "nas.search", "--quiet", "--budget", "1", "--trial-flops", str(TRIAL_FLOPS)]
STAMP_SECONDS = 1.0


def main(argv: list[str] | None = None) -> int:
    built = parser("startup", "Time `nas.search --help`, and the start of a search up to its first training step.")
    built.add_argument("--rounds", type=cli.positive_int, default=7, metavar="N", help="of --help (default: 7)")
    built.add_argument("--searches", type=cli.positive_int, default=3, metavar="N", help="started (default: 3)")
    arguments = built.parse_args(argv)
    commands = {"python -c pass": ["-c", "pass"], "python -m nas.search --help": HELP}
    seconds = interleaved({name: partial(python, words) for name, words in commands.items()}, arguments.rounds)
    start_search()  # fills the data cache where it is cold
    starts = [start_search() for _ in range(arguments.searches)]
    found = {
        "commands": [{"name": name, "seconds": spread(taken)} for name, taken in seconds.items()],
        "rounds": arguments.rounds,
        "searches": arguments.searches,
        "trial_flops": TRIAL_FLOPS,
        "to_first_trial_seconds": spread([stamp for stamp, _ in starts]),
        "to_first_step_at_most_seconds": spread([stamp + work + STAMP_SECONDS for stamp, work in starts]),
    }
    write_result("startup", arguments.out, argv, found)
    return 0


def python(words: Sequence[str]) -> None:
    """Run this Python on `words`; StudyError with its last words when that fails."""
    ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise StudyError(f"python {' '.join(words)} failed: {ran.stderr.strip()[-300:]}")


def start_search() -> tuple[float, float]:
    """Seconds from the launch of a search of one small trial to that trial's stamp, and from there to its last step."""
    with tempfile.TemporaryDirectory() as out:
        launched = time.time()
        python([*SEARCH, "--out", out, "--name", "search"])
        measured = read_trials(Path(out) / "search" / "trials.jsonl")[0].measured
    if measured is None:
        raise StudyError("the trial of the search did not complete, so its times are not known")
    work = measured.total_seconds - measured.evaluate_seconds - measured.generate_seconds
    return datetime.fromisoformat(measured.started).timestamp() - launched, work


if __name__ == "__main__":
    cli.run(main, "benchmarks.startup")
