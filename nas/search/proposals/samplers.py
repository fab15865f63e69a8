"""The samplers by name: those of Optuna, and our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from nas.errors import UsageError, unknown_name

STARTUP_TRIALS = 10

PROPOSERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed),
    "gp": lambda seed: GPSampler(n_startup_trials=STARTUP_TRIALS, seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed: NSGAIISampler(population_size=STARTUP_TRIALS, seed=seed),
}
"""Name -> a sampler with a seed. Beside them --sampler takes `law` (nas/search/proposals/law_proposer.py) and `random`.

The population of NSGA-II is that small because a search has some forty trials, and its first is drawn at random.
"""
ATTEMPTS = {"tpe": 50, "gp": 3, "nsga2": 50}
"""How often a sampler is asked for something new before it is drawn at random; a GP proposes its one optimum."""
BY_LAW = "law"
LAW_OBJECTIVES = ("fitness", "val_bpb")
"""Of these, each alone, the scaling law tells."""
SAMPLERS = (BY_LAW, *PROPOSERS, "random")
NEEDS_ITS_TRIAL = ("nsga2",)
"""Samplers that write into the trial they propose for, which must be there before."""


def chosen_sampler(name: str | None, objectives: Sequence[str]) -> str:
    """The sampler `name`; without one what came to good architectures soonest on experiments/search_benchmark/README.md's table.

    That is the law where it tells of the objective, for several objectives a GP. UsageError for a name that is not
    there, and for the law where it does not tell.
    """
    has_law = len(objectives) == 1 and objectives[0] in LAW_OBJECTIVES
    if name is None:
        return BY_LAW if has_law else "tpe" if len(objectives) == 1 else "gp"
    if name not in SAMPLERS:
        raise UsageError(unknown_name("sampler", name, SAMPLERS))
    if name == BY_LAW and not has_law:
        raise UsageError(
            f"--sampler law proposes for {' or '.join(LAW_OBJECTIVES)} alone, not for '{','.join(objectives)}'; "
            f"take one of: {', '.join(one for one in SAMPLERS if one != BY_LAW)}"
        )
    return name
