"""`python -m benchmarks.engine`: what a search costs beside training and beside Optuna's own proposals.

A thousand trials through three rungs with an objective that takes no time, in a SQLite database as a real study has.
What is left is the engine: asking, checking that an architecture is legal and new, writing records, deciding, telling.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from optuna.samplers import GPSampler, NSGAIISampler, TPESampler

from benchmarks.results import parser, write_result
from nas import cli
from nas.records.trial import RungResult, TrialRecord
from nas.search.driver import Budget
from nas.search.proposals.sampler import DistinctSampler
from nas.search.run_study import Scores, run_study
from nas.space.search_space import Candidate, load_space

SAMPLERS = ("random", "tpe", "nsga2", "law", "gp")
_SLOW, _MAX_OF_SLOW = ("law", "gp"), 200
"""What these take for a proposal grows with the trials, with the cube of them for a GP."""
_BLOCK = 100


def main(argv: list[str] | None = None) -> int:
    built = parser("engine", "Time a search whose trials take no time.")
    built.add_argument(
        "--trials", type=cli.positive_int, default=1000, metavar="N", help="of each search (default: 1000)"
    )
    arguments = built.parse_args(argv)
    found = [
        search(name, min(arguments.trials, _MAX_OF_SLOW) if name in _SLOW else arguments.trials) for name in SAMPLERS
    ]
    write_result("engine", arguments.out, argv, {"searches": found, "block": _BLOCK})
    return 0


def search(sampler: str, num_trials: int) -> dict[str, Any]:
    """One search, its milliseconds a trial by hundreds of trials, and what it held in memory."""
    space = load_space("base")
    space = space.model_copy(update={"training": space.training.model_copy(update={"num_rungs": 3})})
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder, _Timed(clock):
        storage = f"sqlite:///{Path(folder) / 'study.db'}"
        run_study(space, score, Budget(num_trials), sampler=sampler, storage=storage, observer=clock)
    blocks = [clock.trials[start : start + _BLOCK] for start in range(0, len(clock.trials), _BLOCK)]
    return {
        "sampler": sampler,
        "trials": num_trials,
        "engine_ms": [1000 * statistics.median(one.engine for one in block) for block in blocks],
        "sampler_ms": [1000 * statistics.median(one.sampler for one in block) for block in blocks],
        "resident_mb": [block[-1].resident_mb for block in blocks],
    }


def score(candidate: Candidate, train_flops: float, seed: int) -> Scores:
    """By formula: large ones are better, and need more."""
    shape = candidate.architecture
    return Scores(1 + 300 / shape.non_embedding_params**0.5 + 40 * (shape.train_flops_per_token() / train_flops) ** 0.3)


class _Trial:
    def __init__(self, engine: float, sampler: float, resident_mb: float) -> None:
        self.engine, self.sampler, self.resident_mb = engine, sampler, resident_mb


class _Clock:
    """An observer that takes the time from one trial's end to the next, with what of it was the sampler's."""

    def __init__(self) -> None:
        self.trials: list[_Trial] = []
        self.sampler = 0.0
        self._since = time.perf_counter()

    def trial_started(self, number: int, description: str) -> None: ...
    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None: ...

    def trial_ended(self, record: TrialRecord) -> None:
        now = time.perf_counter()
        self.trials.append(_Trial(now - self._since - self.sampler, self.sampler, _resident_mb()))
        self._since, self.sampler = now, 0.0


class _Timed:
    """Within, the time that Optuna's samplers and the law take for a proposal is added to `clock`."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._kept: list[tuple[type, str, Callable[..., Any]]] = []

    def __enter__(self) -> None:
        optuna = [(kind, "sample_relative") for kind in (TPESampler, GPSampler, NSGAIISampler)]
        for kind, name in [*optuna, (DistinctSampler, "_by_law")]:
            plain = getattr(kind, name)
            self._kept.append((kind, name, plain))
            setattr(kind, name, self._timed(plain))

    def __exit__(self, *error: object) -> None:
        for kind, name, plain in self._kept:
            setattr(kind, name, plain)

    def _timed(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def timed(*given: Any) -> Any:
            started = time.perf_counter()
            try:
                return plain(*given)
            finally:
                self._clock.sampler += time.perf_counter() - started

        return timed


def _resident_mb() -> float:
    """Of this process now; its peak where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    cli.run(main, "benchmarks.engine")
