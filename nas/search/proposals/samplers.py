"""The samplers by name: three of Optuna, the scaling law, and random draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from nas.errors import UsageError, unknown_name

STARTUP_TRIALS = 10

OPTUNA_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed),
    "gp": lambda seed: GPSampler(n_startup_trials=STARTUP_TRIALS, seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed: NSGAIISampler(population_size=STARTUP_TRIALS, seed=seed),
}
"""Name -> function of a seed that returns the sampler.

The population of NSGA-II is that small because a search has about forty trials, and the first population is random.
"""
ATTEMPTS = {"tpe": 50, "gp": 3, "nsga2": 50}
"""Proposals that a sampler may repeat or that may be illegal, before a random one is used. A GP repeats its optimum."""
LAW = "law"
LAW_OBJECTIVES = ("fitness", "val_bpb")
"""Objectives that the scaling law predicts, each as the only one."""
SAMPLERS = (LAW, *OPTUNA_SAMPLERS, "random")
IN_STUDY_SAMPLERS = ("nsga2",)
"""Samplers that write to the trial they propose for, so that it must be in the study before."""


def choose_sampler(name: str | None, objectives: Sequence[str]) -> str:
    """Return the sampler `name`, or, if it is None, the best one for the objectives.

    Best is what found good architectures soonest in experiments/search_benchmark/README.md: the law where it predicts
    the objective, TPE for another one, a GP for several. Raises UsageError for an unknown name, and for the law with
    objectives that it does not predict.
    """
    has_law = len(objectives) == 1 and objectives[0] in LAW_OBJECTIVES
    if name is None:
        return LAW if has_law else "tpe" if len(objectives) == 1 else "gp"
    if name not in SAMPLERS:
        raise UsageError(unknown_name("sampler", name, SAMPLERS))
    if name == LAW and not has_law:
        raise UsageError(
            f"--sampler law predicts only {' or '.join(LAW_OBJECTIVES)} as the one objective, not "
            f"'{','.join(objectives)}'; use one of: {', '.join(other for other in SAMPLERS if other != LAW)}"
        )
    return name
