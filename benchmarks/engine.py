"""The benchmark `python -m benchmarks.engine`: the cost of a search besides training and besides the samplers.

A thousand trials pass through three rungs with an objective that takes no time, in a SQLite database like a real
study. The remaining time is that of the engine: it asks Optuna, checks that an architecture is legal and new, writes
records, decides on promotion, and tells Optuna.
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
from nas.search.callable_objective import Scores, run_study
from nas.search.driver import Budget
from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.space.search_space import Candidate, load_space

SAMPLERS = ("random", "tpe", "nsga2", "law", "gp")
_SLOW_SAMPLERS, _MAX_SLOW_TRIALS = ("law", "gp"), 200
"""Their time for a proposal grows with the number of trials, for a GP with its cube."""
_BLOCK = 100


def main(argv: list[str] | None = None) -> int:
    arguments_parser = parser("engine", "Time a search whose trials take no time.")
    arguments_parser.add_argument(
        "--trials", type=cli.positive_int, default=1000, metavar="N", help="trials of each search (default: 1000)"
    )
    arguments = arguments_parser.parse_args(argv)
    searches = [
        search(name, min(arguments.trials, _MAX_SLOW_TRIALS) if name in _SLOW_SAMPLERS else arguments.trials)
        for name in SAMPLERS
    ]
    write_result("engine", arguments.out, argv, {"searches": searches, "block": _BLOCK})
    return 0


def search(sampler: str, num_trials: int) -> dict[str, Any]:
    """Return the milliseconds per trial and the memory of one search, for each hundred trials."""
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
        "engine_ms": [1000 * statistics.median(trial.engine for trial in block) for block in blocks],
        "sampler_ms": [1000 * statistics.median(trial.sampler for trial in block) for block in blocks],
        "resident_mb": [block[-1].resident_mb for block in blocks],
    }


def score(candidate: Candidate, train_flops: float, seed: int) -> Scores:
    """Return a score by formula: large architectures are better, and need more FLOPs."""
    shape = candidate.architecture
    return Scores(1 + 300 / shape.non_embedding_params**0.5 + 40 * (shape.train_flops_per_token() / train_flops) ** 0.3)


class _Trial:
    def __init__(self, engine: float, sampler: float, resident_mb: float) -> None:
        self.engine, self.sampler, self.resident_mb = engine, sampler, resident_mb


class _Clock:
    """An observer that measures the time between the ends of two trials, with the share of the sampler."""

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
    """A context that adds the time of Optuna's samplers and of the law for proposals to `clock`."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._originals: list[tuple[type, str, Callable[..., Any]]] = []

    def __enter__(self) -> None:
        optuna = [(kind, "sample_relative") for kind in (TPESampler, GPSampler, NSGAIISampler)]
        for kind, name in [*optuna, (DistinctSampler, "_by_law")]:
            original = getattr(kind, name)
            self._originals.append((kind, name, original))
            setattr(kind, name, self._timed(original))

    def __exit__(self, *error: object) -> None:
        for kind, name, original in self._originals:
            setattr(kind, name, original)

    def _timed(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return original(*arguments)
            finally:
                self._clock.sampler += time.perf_counter() - started

        return timed


def _resident_mb() -> float:
    """Return the resident memory of this process, or its peak if the system only knows that."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    cli.run(main, "benchmarks.engine")
