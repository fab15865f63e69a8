"""A sampler for Optuna that repeats another one until it proposes a legal architecture that the study does not have.

The proposal for trial n is a function of (seed, n, the other trials), not of the history of this process: a search that
was killed and resumed makes the same proposals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.search.objectives import METRICS, Metric
from nas.search.proposals.distributions import search_distributions
from nas.search.proposals.imputed_study import StudyImputer
from nas.search.proposals.law_proposer import MIN_RECORDS, POOL_SIZE, LawProposer
from nas.search.proposals.samplers import ATTEMPTS, IN_STUDY_SAMPLERS, LAW, OPTUNA_SAMPLERS, STARTUP_TRIALS
from nas.space.search_space import Candidate, SearchSpace
from nas.training.batches import derived_seed

RANDOM_ATTEMPTS = 5_000
"""A space counts as used up after this many random draws without a new legal architecture."""
_POOL_ATTEMPTS = 100
"""Random draws for each architecture of a pool; a small space is used up before the pool is full."""
_LAW_PARTNER = "tpe"
"""Proposes every other trial in turn with the law, and learns what the form of the law leaves out."""
_ENQUEUED_PARAMS = "fixed_params"
"""Key under which Optuna stores the values of an enqueued trial; it has no public name."""


class DistinctSampler(BaseSampler):
    """Proposes by a named sampler over a flat space, and never the same architecture twice."""

    def __init__(
        self,
        space: SearchSpace,
        vocabulary_sizes: dict[str, int],
        seed: int,
        name: str = LAW,
        metrics: Sequence[Metric] = (METRICS["fitness"],),
    ) -> None:
        """Use the sampler `name`; `random` draws uniformly, the baseline that a search must beat."""
        self.is_search = name != "random"
        """Whether the search begins with reference architectures; the random baseline does not."""
        self._name = name
        self._space = space
        self.vocabulary_sizes = vocabulary_sizes
        self._seed = seed
        self.distributions = search_distributions(space)
        self._imputer = StudyImputer(metrics, space)
        self._collapse_weight = _collapse_weight(metrics, space) if name == LAW else None
        self._varied = {
            name: distribution for name, distribution in self.distributions.items() if not distribution.single()
        }
        self._ids: dict[int, str] = {}

    def candidate(self, params: dict[str, Any]) -> Candidate:
        """Return the candidate for the parameters of a trial."""
        return self._space.candidate(params, self.vocabulary_sizes)

    @property
    def dimensions(self) -> Set[str]:
        """Names of all parameters of a trial."""
        return self.distributions.keys()

    @property
    def needs_trial_in_study(self) -> bool:
        """Whether a trial must be in the study before its parameters are proposed."""
        return self._name in IN_STUDY_SAMPLERS

    def has_unseen(self, trials: Sequence[FrozenTrial]) -> bool:
        """Return whether the trial after `trials`, all of a study, can have a new legal architecture.

        True guarantees a proposal: if the sampler finds nothing, the next trial repeats these random draws.
        """
        number = len(trials)
        return self._random_unseen(number, self._seen(trials, number)) is not None

    def propose(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> FrozenTrial:
        """Return the next trial, running, to be added to the study; `trials` are all of the study.

        `has_unseen` must have returned True.
        """
        params = self._with_single_values(self._propose(study, trials, _new_trial(len(trials))))
        return create_trial(
            state=TrialState.RUNNING,
            params={name: params[name] for name in self.distributions},
            distributions=self.distributions,
        )

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the dimensions that have more than one value."""
        return self._varied

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose values for a trial that is in the study already."""
        if _ENQUEUED_PARAMS in trial.system_attrs:
            return {}
        return self._propose(study, study.get_trials(deepcopy=False), trial)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Raise AssertionError: in a flat space all parameters are sampled together."""
        raise AssertionError(f"the space is flat: {param_name} is always sampled with the others")

    def _propose(self, study: optuna.Study, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> dict[str, Any]:
        """Return the values of all dimensions that have more than one."""
        number = trial.number
        seen = self._seen(trials, number)
        proposal = self._by_law(trials, number, seen) if self._collapse_weight is not None and number % 2 == 0 else None
        num_ended = sum(other.state in (TrialState.COMPLETE, TrialState.PRUNED) for other in trials)
        if proposal is None and self.is_search and num_ended >= STARTUP_TRIALS:
            proposal = self._by_optuna(study, trials, trial, seen)
        if proposal is None:
            proposal = self._random_unseen(number, seen)
        assert proposal is not None, "has_unseen is called before a proposal"
        return proposal

    def _by_law(self, trials: Sequence[FrozenTrial], number: int, seen: set[str]) -> dict[str, Any] | None:
        """Return the law's choice among random new architectures; None while there is too little to fit a law to."""
        records = self._imputer.records([trial for trial in trials if trial.number != number])
        if len(records) < MIN_RECORDS or self._collapse_weight is None:
            return None
        draw, pool, excluded = self._uniform(number), [], set(seen)
        for _ in range(POOL_SIZE):
            params = self._first_unseen(draw, _POOL_ATTEMPTS, excluded)
            if params is None:
                break
            candidate = self.candidate(self._with_single_values(params))
            excluded.add(candidate.architecture.id)
            pool.append((params, candidate))
        if not pool:
            return None
        law = LawProposer(records, self._space, self._collapse_weight)
        return pool[law.choose([candidate for _, candidate in pool], self._sampler_seed(number))][0]

    def _by_optuna(
        self, study: optuna.Study, trials: Sequence[FrozenTrial], trial: FrozenTrial, seen: set[str]
    ) -> dict[str, Any] | None:
        """Return the proposal of one of Optuna's samplers; None if all its attempts were illegal or seen."""
        name = _LAW_PARTNER if self._name == LAW else self._name
        sampler = OPTUNA_SAMPLERS[name](self._sampler_seed(trial.number))
        visible = study if self.needs_trial_in_study else self._imputer.impute(study, trials, trial.number)
        draw = self._uniform(trial.number)
        return self._first_unseen(
            # Values that a sampler leaves open, like those that NSGA-II mutates, are drawn at random.
            lambda: draw() | sampler.sample_relative(visible, trial, self._varied),
            ATTEMPTS[name],
            seen,
        )

    def _sampler_seed(self, number: int) -> int:
        return derived_seed("sampler", self._seed, number) % 2**32

    def _random_unseen(self, number: int, seen: set[str]) -> dict[str, Any] | None:
        return self._first_unseen(self._uniform(number), RANDOM_ATTEMPTS, seen)

    def _uniform(self, number: int) -> Callable[[], dict[str, Any]]:
        """Return a function that draws uniform values of the varied dimensions, other ones at each call."""
        sampler, trial = RandomSampler(seed=self._sampler_seed(number)), _new_trial(number)
        study = cast(optuna.Study, None)  # RandomSampler uses neither study nor trial
        return lambda: {
            name: sampler.sample_independent(study, trial, name, distribution)
            for name, distribution in self._varied.items()
        }

    def _first_unseen(
        self, propose: Callable[[], dict[str, Any]], attempts: int, seen: set[str]
    ) -> dict[str, Any] | None:
        for _ in range(attempts):
            params = propose()
            architecture = self.candidate(self._with_single_values(params)).architecture
            if architecture.id not in seen and self._space.is_legal(architecture):
                return params
        return None

    def _with_single_values(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return `params` and the values of dimensions that have only one."""
        singles = {
            name: distribution.choices[0] if isinstance(distribution, CategoricalDistribution) else distribution.low  # type: ignore[attr-defined]
            for name, distribution in self.distributions.items()
            if distribution.single()
        }
        return singles | params

    def _seen(self, trials: Sequence[FrozenTrial], own_number: int) -> set[str]:
        """Return the ids of the architectures of all other trials, waiting references included."""
        for number, trial in enumerate(trials):
            if number not in self._ids:
                params = trial.params | trial.system_attrs.get(_ENQUEUED_PARAMS, {})
                if params.keys() >= self.distributions.keys():
                    self._ids[number] = self.candidate(params).architecture.id
        return {architecture_id for number, architecture_id in self._ids.items() if number != own_number}


def _collapse_weight(metrics: Sequence[Metric], space: SearchSpace) -> float | None:
    """Return the price of a collapse rate of 1 in the only objective; None for objectives that no law predicts."""
    weights = {"fitness": space.evaluation.collapse_weight, "val_bpb": 0.0}
    return weights.get(metrics[0].name) if len(metrics) == 1 else None


def _new_trial(number: int) -> FrozenTrial:
    """Return a trial that is not in a study yet."""
    trial = create_trial(state=TrialState.RUNNING)
    trial.number = number
    return trial
