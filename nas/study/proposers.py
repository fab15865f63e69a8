"""The samplers by name: those of Optuna, and our own."""

from __future__ import annotations

from collections.abc import Callable

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

STARTUP_TRIALS = 10

PROPOSERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed),
    "gp": lambda seed: GPSampler(n_startup_trials=STARTUP_TRIALS, seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed: NSGAIISampler(population_size=STARTUP_TRIALS, seed=seed),
}
"""Name -> a sampler with a seed. Beside them --sampler takes `law` (nas/study/law_proposer.py) and `random`.

The population of NSGA-II is that small because a search has some forty trials, and its first is drawn at random.
"""
ATTEMPTS = {"tpe": 50, "gp": 3, "nsga2": 50}
"""How often a sampler is asked for something new before it is drawn at random; a GP proposes its one optimum."""
BY_LAW = "law"
SAMPLERS = (BY_LAW, *PROPOSERS, "random")
NEEDS_ITS_TRIAL = ("nsga2",)
"""Samplers that write into the trial they propose for, which must be there before."""


def default_sampler(num_objectives: int) -> str:
    """What came to good architectures soonest on the table of docs/search-benchmark.md: for several objectives a GP."""
    return BY_LAW if num_objectives == 1 else "gp"
