"""A sampler of Optuna, asked again until it proposes a legal architecture that the study has not seen.

The proposal for trial n is a function of (seed, n, the other trials), never of what this process did
before: a search that was killed and started again asks the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from nas.dimension import Suggests
from nas.space import Candidate, SearchSpace
from nas.study.objectives import METRICS, Metric
from nas.study.proposers import ATTEMPTS, DEFAULT_SAMPLER, PROPOSERS, STARTUP_TRIALS, Seen
from nas.trial.batches import derived_seed

RANDOM_ATTEMPTS = 5_000
"""A space in which so many draws find nothing new counts as used up."""


class DistinctSampler(BaseSampler):
    """A proposer by name over a flat space, one architecture never twice."""

    def __init__(
        self,
        space: SearchSpace,
        vocabulary_sizes: dict[str, int],
        seed: int,
        name: str = DEFAULT_SAMPLER,
        metrics: Sequence[Metric] = (METRICS["fitness"],),
    ) -> None:
        """`random` draws uniformly and without reference architectures: the baseline that a search must beat."""
        self.is_search = name != "random"
        self._name = name
        self._space = space
        self.vocabulary_sizes = vocabulary_sizes
        self._seed = seed
        self._distributions = distributions_of(space, vocabulary_sizes)
        self._seen_study = Seen(self._distributions, metrics, space.training.num_rungs)
        self._searched = {name: one for name, one in self._distributions.items() if not one.single()}
        self._ids: dict[int, str] = {}

    def candidate(self, params: dict[str, Any]) -> Candidate:
        """The candidate that a trial's parameters stand for."""
        return self._space.suggest(FixedTrial(params), self.vocabulary_sizes)

    def has_fresh(self, study: optuna.Study) -> bool:
        """Whether the next trial can be given a legal architecture that no trial has: ask before the study is asked.

        True promises a proposal, as the next trial makes the very same random draws when TPE finds nothing.
        """
        number = len(study.get_trials(deepcopy=False))
        return self._random_fresh(study, number, self._searched, self._seen(study, but=number)) is not None

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._searched

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters of a fresh legal architecture; there is one where `has_fresh` said so."""
        if "fixed_params" in trial.system_attrs:
            return {}
        seen = self._seen(study, but=trial.number)
        ended = sum(one.state in (TrialState.COMPLETE, TrialState.PRUNED) for one in study.get_trials(deepcopy=False))
        if self.is_search and ended >= STARTUP_TRIALS:
            proposer = PROPOSERS[self._name](self._seed_of(trial.number))
            known, asked = self._seen_study.by(self._name, study, trial)
            draw = self._uniform(study, trial.number, search_space)
            proposal = self._first_fresh(
                # What a proposer leaves open, as NSGA-II does with what mutates, is drawn at random.
                lambda: draw() | proposer.sample_relative(known, asked, search_space),
                ATTEMPTS[self._name],
                seen,
            )
            if proposal is not None:
                return proposal
        proposal = self._random_fresh(study, trial.number, search_space, seen)
        assert proposal is not None, "the driver asks has_fresh first"
        return proposal

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError(f"the space is flat: {param_name} is always sampled with the others")

    def _seed_of(self, number: int) -> int:
        return derived_seed("sampler", self._seed, number) % 2**32

    def _random_fresh(
        self, study: optuna.Study, number: int, search_space: dict[str, BaseDistribution], seen: set[str]
    ) -> dict[str, Any] | None:
        return self._first_fresh(self._uniform(study, number, search_space), RANDOM_ATTEMPTS, seen)

    def _uniform(
        self, study: optuna.Study, number: int, search_space: dict[str, BaseDistribution]
    ) -> Callable[[], dict[str, Any]]:
        uniform = RandomSampler(seed=self._seed_of(number))
        trial = create_trial(state=TrialState.RUNNING)  # RandomSampler looks at neither study nor trial
        return lambda: {name: uniform.sample_independent(study, trial, name, one) for name, one in search_space.items()}

    def _first_fresh(
        self, propose: Callable[[], dict[str, Any]], attempts: int, seen: set[str]
    ) -> dict[str, Any] | None:
        for _ in range(attempts):
            params = propose()
            architecture = self.candidate(self._with_single_values(params)).architecture
            if architecture.id not in seen and max(self._space.excess(architecture).values()) <= 0:
                return params
        return None

    def _with_single_values(self, params: dict[str, Any]) -> dict[str, Any]:
        singles = {
            name: one.choices[0] if isinstance(one, CategoricalDistribution) else one.low  # type: ignore[attr-defined]
            for name, one in self._distributions.items()
            if one.single()
        }
        return singles | params

    def _seen(self, study: optuna.Study, but: int) -> set[str]:
        """Ids of the architectures of all other trials, waiting references included."""
        ids = set()
        for trial in study.get_trials(deepcopy=False):
            if trial.number == but:
                continue
            if trial.number not in self._ids:
                params = trial.params | trial.system_attrs.get("fixed_params", {})
                if params.keys() < self._distributions.keys():
                    continue
                self._ids[trial.number] = self.candidate(params).architecture.id
            ids.add(self._ids[trial.number])
        return ids


class _Recorder:
    """Takes the place of a trial and writes down which distributions the space asks for."""

    def __init__(self) -> None:
        self.distributions: dict[str, BaseDistribution] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.distributions[name] = CategoricalDistribution(choices)
        return choices[0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.distributions[name] = IntDistribution(low, high, step=step, log=log)
        return low

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.distributions[name] = FloatDistribution(low, high, step=step, log=log)
        return low


def distributions_of(space: SearchSpace, vocabulary_sizes: dict[str, int]) -> dict[str, BaseDistribution]:
    """Optuna's distribution of every searched dimension, in the order they are suggested."""
    recorder: Suggests = _Recorder()
    space.suggest(recorder, vocabulary_sizes)
    assert isinstance(recorder, _Recorder)
    return recorder.distributions
