"""The samplers of Optuna by name, and what they see of a study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.study.gains import Gains
from nas.study.objectives import Metric
from nas.study.results import Result, results_of
from nas.study.trial_attributes import unfinished_record

STARTUP_TRIALS = 10

PROPOSERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed),
    "gp": lambda seed: GPSampler(n_startup_trials=STARTUP_TRIALS, seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed: NSGAIISampler(population_size=STARTUP_TRIALS, seed=seed),
}
"""Name -> a sampler with a seed. With `random`, which needs none, they are the choices of --sampler.

The population of NSGA-II is that small because a search has some forty trials, and its first is drawn at random.
"""
ATTEMPTS = {"tpe": 50, "gp": 3, "nsga2": 50}
"""How often a sampler is asked for something new before it is drawn at random; a GP proposes its one optimum."""
SAMPLERS = (*PROPOSERS, "random")
DEFAULT_SAMPLER = "tpe"
_SEES_TRIALS = ("tpe", "gp")


class Seen:
    """The study as TPE and GP are to see it.

    A trial that was stopped at a rung stands there as one that ended with the values expected of it at the top, once
    any trial has shown what is gained on the way. NSGA-II keeps its generations in the study, and sees that one.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], metrics: Sequence[Metric], num_rungs: int
    ) -> None:
        self._distributions = dict(distributions)
        self._metrics = metrics
        self._num_rungs = num_rungs
        self._ended: dict[int, tuple[Result, ...]] = {}

    def by(self, name: str, study: optuna.Study, trial: FrozenTrial) -> tuple[optuna.Study, FrozenTrial]:
        """What the sampler `name` is to see, and there the trial that it is asked for."""
        if name not in _SEES_TRIALS or self._num_rungs == 1:
            return study, trial
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        trials = [one for one in study.get_trials(deepcopy=False, states=states) if one.number != trial.number]
        results = {one.number: self._results(one) for one in trials}
        gains = Gains([one for found in results.values() for one in found], self._metrics)
        seen = optuna.create_study(directions=study.directions, sampler=RandomSampler())
        seen.add_trials(
            self._as_ended(one, results[one.number], gains)
            for one in trials
            if one.params.keys() >= self._distributions.keys()
        )
        seen.ask()
        return seen, seen.get_trials(deepcopy=False)[-1]

    def _results(self, trial: FrozenTrial) -> tuple[Result, ...]:
        if trial.number in self._ended:
            return self._ended[trial.number]
        record = unfinished_record(trial)
        found = tuple(results_of([record], self._metrics)) if record else ()
        if trial.state.is_finished():
            self._ended[trial.number] = found
        return found

    def _as_ended(self, trial: FrozenTrial, results: Sequence[Result], gains: Gains) -> FrozenTrial:
        state, values = trial.state, trial.values
        if state is TrialState.PRUNED and results and not trial.constraints:
            expected = gains.at_rung(results[-1], self._num_rungs - 1)
            if expected is not None:
                state, values = TrialState.COMPLETE, [*expected]
        return create_trial(
            state=state,
            values=values,
            params={name: trial.params[name] for name in self._distributions},
            distributions=self._distributions,
            constraints=trial.constraints or None,
        )
