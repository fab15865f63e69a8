"""A sampler of Optuna, asked again until it proposes a legal architecture that the study has not seen.

The proposal for trial n is a function of (seed, n, the other trials), never of what this process did
before: a search that was killed and started again asks the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nas.search.objectives import METRICS, Metric
from nas.search.proposals.expected_study import ExpectedStudy
from nas.search.proposals.law_proposer import MIN_RECORDS, POOL, LawProposer
from nas.search.proposals.samplers import ATTEMPTS, BY_LAW, NEEDS_ITS_TRIAL, PROPOSERS, STARTUP_TRIALS
from nas.space.dimension import Range, Scalar
from nas.space.search_space import Candidate, SearchSpace
from nas.training.batches import derived_seed

RANDOM_ATTEMPTS = 5_000
"""A space in which so many draws find nothing new counts as used up."""


_POOL_ATTEMPTS = 100
"""Draws for each of a pool: a small space is used up before the pool is full."""
_OTHER = "tpe"
"""Proposes every other trial beside the law: it learns what the law's form leaves out."""


class DistinctSampler(BaseSampler):
    """A proposer by name over a flat space, one architecture never twice."""

    def __init__(
        self,
        space: SearchSpace,
        vocabulary_sizes: dict[str, int],
        seed: int,
        name: str = BY_LAW,
        metrics: Sequence[Metric] = (METRICS["fitness"],),
    ) -> None:
        """`random` draws uniformly and without reference architectures: the baseline that a search must beat."""
        self.is_search = name != "random"
        self._name = name
        self._space = space
        self.vocabulary_sizes = vocabulary_sizes
        self._seed = seed
        self.distributions = distributions_of(space)
        self._known = ExpectedStudy(metrics, space)
        self._collapse_weight = _weight_of(metrics, space) if name == BY_LAW else None
        self._searched = {name: one for name, one in self.distributions.items() if not one.single()}
        self._ids: dict[int, str] = {}

    def candidate(self, params: dict[str, Any]) -> Candidate:
        """The candidate that a trial's parameters stand for."""
        return self._space.candidate(params, self.vocabulary_sizes)

    @property
    def dimensions(self) -> Set[str]:
        """Names of all parameters of a trial."""
        return self.distributions.keys()

    @property
    def needs_its_trial(self) -> bool:
        """Whether the trial must be in the study before it is proposed for."""
        return self._name in NEEDS_ITS_TRIAL

    def has_fresh(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether the trial after `trials`, all of a study, can have a legal architecture that none of them has.

        True promises a proposal, as the next trial makes the very same random draws when the sampler finds nothing.
        """
        return self._random_fresh(len(trials), self._seen(trials, but=len(trials))) is not None

    def propose(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> FrozenTrial:
        """The next trial as it is to stand in the study, running; `trials` are all of it now.

        There is a legal architecture for it where `has_fresh` said so.
        """
        params = self._with_single_values(self._propose(study, trials, _asked(len(trials))))
        return create_trial(
            state=TrialState.RUNNING,
            params={name: params[name] for name in self.distributions},
            distributions=self.distributions,
        )

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._searched

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As `propose`, for a trial that is in the study already."""
        if "fixed_params" in trial.system_attrs:
            return {}
        return self._propose(study, study.get_trials(deepcopy=False), trial)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError(f"the space is flat: {param_name} is always sampled with the others")

    def _propose(self, study: optuna.Study, trials: Sequence[FrozenTrial], trial: FrozenTrial) -> dict[str, Any]:
        """Values of the searched dimensions."""
        seen = self._seen(trials, but=trial.number)
        ended = sum(one.state in (TrialState.COMPLETE, TrialState.PRUNED) for one in trials)
        if self._collapse_weight is not None and trial.number % 2 == 0:
            proposal = self._by_law(trials, trial.number, seen)
            if proposal is not None:
                return proposal
        if self.is_search and ended >= STARTUP_TRIALS:
            proposer = PROPOSERS[_OTHER if self._name == BY_LAW else self._name](self._seed_of(trial.number))
            known = study if self.needs_its_trial else self._known.of(study, trials, trial.number)
            draw = self._uniform(trial.number)
            proposal = self._first_fresh(
                # What a proposer leaves open, as NSGA-II does with what mutates, is drawn at random.
                lambda: draw() | proposer.sample_relative(known, trial, self._searched),
                ATTEMPTS.get(self._name, ATTEMPTS[_OTHER]),
                seen,
            )
            if proposal is not None:
                return proposal
        proposal = self._random_fresh(trial.number, seen)
        assert proposal is not None, "whoever proposes asks has_fresh first"
        return proposal

    def _by_law(self, trials: Sequence[FrozenTrial], number: int, seen: set[str]) -> dict[str, Any] | None:
        """What the scaling law proposes among fresh architectures; None where there is too little to fit it to."""
        records = self._known.records([one for one in trials if one.number != number])
        if len(records) < MIN_RECORDS or self._collapse_weight is None:
            return None
        draw, pool, taken = self._uniform(number), [], set(seen)
        for _ in range(POOL):
            params = self._first_fresh(draw, _POOL_ATTEMPTS, taken)
            if params is None:
                break
            candidate = self.candidate(self._with_single_values(params))
            taken.add(candidate.architecture.id)
            pool.append((params, candidate))
        if not pool:
            return None
        law = LawProposer(records, self._space, self._collapse_weight)
        return pool[law.best_of([candidate for _, candidate in pool], self._seed_of(number))][0]

    def _seed_of(self, number: int) -> int:
        return derived_seed("sampler", self._seed, number) % 2**32

    def _random_fresh(self, number: int, seen: set[str]) -> dict[str, Any] | None:
        return self._first_fresh(self._uniform(number), RANDOM_ATTEMPTS, seen)

    def _uniform(self, number: int) -> Callable[[], dict[str, Any]]:
        uniform, trial = RandomSampler(seed=self._seed_of(number)), _asked(number)
        study = cast(optuna.Study, None)  # RandomSampler looks at neither study nor trial
        return lambda: {
            name: uniform.sample_independent(study, trial, name, one) for name, one in self._searched.items()
        }

    def _first_fresh(
        self, propose: Callable[[], dict[str, Any]], attempts: int, seen: set[str]
    ) -> dict[str, Any] | None:
        for _ in range(attempts):
            params = propose()
            architecture = self.candidate(self._with_single_values(params)).architecture
            if architecture.id not in seen and self._space.is_legal(architecture):
                return params
        return None

    def _with_single_values(self, params: dict[str, Any]) -> dict[str, Any]:
        singles = {
            name: one.choices[0] if isinstance(one, CategoricalDistribution) else one.low  # type: ignore[attr-defined]
            for name, one in self.distributions.items()
            if one.single()
        }
        return singles | params

    def _seen(self, trials: Sequence[FrozenTrial], but: int) -> set[str]:
        """Ids of the architectures of all other trials, waiting references included."""
        for number, trial in enumerate(trials):
            if number not in self._ids:
                params = trial.params | trial.system_attrs.get("fixed_params", {})
                if params.keys() >= self.distributions.keys():
                    self._ids[number] = self.candidate(params).architecture.id
        return {one for number, one in self._ids.items() if number != but}


def _weight_of(metrics: Sequence[Metric], space: SearchSpace) -> float | None:
    """What a collapse rate of 1 costs in the one objective; None where there are others, of which no law tells."""
    weights = {"fitness": space.evaluation.collapse_weight, "val_bpb": 0.0}
    return weights.get(metrics[0].name) if len(metrics) == 1 else None


def _asked(number: int) -> FrozenTrial:
    """A trial that is proposed for before it is in a study."""
    trial = create_trial(state=TrialState.RUNNING)
    trial.number = number
    return trial


def distributions_of(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of every searched dimension, in the order in which they are suggested."""
    distributions: dict[str, BaseDistribution] = {}
    for name, dimension in space.dimensions.items():
        if isinstance(dimension, tuple):
            distributions[name] = CategoricalDistribution(dimension)
        elif isinstance(dimension, Range) and dimension.is_integer:
            step = int(dimension.step or 1)
            distributions[name] = IntDistribution(int(dimension.min), int(dimension.last), step=step)
        elif isinstance(dimension, Range):
            distributions[name] = FloatDistribution(
                dimension.min, dimension.last, log=dimension.log, step=dimension.step
            )
    return distributions


def suggest(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> dict[str, Scalar]:
    """Have `trial` suggest a value for every distribution, and return the values by name."""
    return {name: _suggest(trial, name, distribution) for name, distribution in distributions.items()}


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution():
            return trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
        case FloatDistribution():
            return trial.suggest_float(
                name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )
