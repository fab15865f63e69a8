from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.architecture.transformers_class import Traits, is_exportable, transformers_class
from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.space.search_space import SearchSpace
from tests.helpers.spaces import FOUR, SIZES, sampler_of, space_of, suggested, tiny


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def score(params: dict[str, Any], slope: float = 1.0) -> float:
    return slope * (params["num_layers"] + params["hidden_dim"] / 64)


def proposals(
    space: SearchSpace, count: int, *, seed: int = 0, slope: float = 1.0, fresh_sampler_each: bool = False
) -> list[dict[str, Any]]:
    """Return the parameters of an Optuna study whose trials are scored by `score`."""
    sampler = DistinctSampler(space, SIZES, seed)
    study = optuna.create_study(sampler=sampler)
    for _ in range(count):
        if fresh_sampler_each:
            study.sampler = DistinctSampler(space, SIZES, seed)
        trial = study.ask()
        suggested(space, trial)
        study.tell(trial, score(trial.params, slope))
    return [trial.params for trial in study.trials]


@pytest.fixture(scope="module")
def forty() -> list[dict[str, Any]]:
    return proposals(tiny(), 40)


def test_forty_proposals_are_forty_legal_architectures(forty: list[dict[str, Any]]) -> None:
    space = tiny()
    architectures = [sampler_of(space).candidate(params).architecture for params in forty]
    assert len({architecture.model_dump_json() for architecture in architectures}) == 40
    assert all(excess <= 0 for architecture in architectures for excess in space.excess(architecture).values())


def test_a_new_sampler_before_every_trial_proposes_the_same(forty: list[dict[str, Any]]) -> None:
    assert proposals(tiny(), 25, fresh_sampler_each=True) == forty[:25]


def test_another_seed_proposes_others(forty: list[dict[str, Any]]) -> None:
    first = [tuple(params.values()) for params in forty[:10]]
    other = [tuple(params.values()) for params in proposals(tiny(), 10, seed=1)]
    assert not set(first) & set(other)


def test_results_influence_proposals_after_the_first_ten(forty: list[dict[str, Any]]) -> None:
    """Small models are best in one study, large ones in the other."""
    other = proposals(tiny(), 40, slope=-1.0)
    assert other[:10] == forty[:10]
    assert other[10:] != forty[10:]
    mean = [sum(score(params) for params in study[10:]) / 30 for study in (forty, other)]
    assert mean[0] + 0.3 < mean[1]


def test_the_random_sampler_ignores_results() -> None:
    space = tiny()
    parameters = []
    for slope in (1.0, -1.0):
        study = optuna.create_study(sampler=DistinctSampler(space, SIZES, 0, "random"))
        for _ in range(15):
            trial = study.ask()
            suggested(space, trial)
            study.tell(trial, score(trial.params, slope))
        parameters.append([trial.params for trial in study.trials])
    assert parameters[0] == parameters[1]


def test_a_tight_limit_is_never_exceeded() -> None:
    """About one tiny architecture in ten has at most 25,000 parameters."""
    space = tiny()
    space = space.model_copy(update={"constraints": space.constraints.model_copy(update={"max_params": 25_000})})
    sampler = sampler_of(space)
    for params in proposals(space, 15):
        assert sampler.candidate(params).architecture.num_params <= 25_000


def test_an_exportable_space_proposes_nothing_else_with_tpe_and_without() -> None:
    space = tiny().only_exportable()
    sampler = sampler_of(space)
    exportable = [sampler.candidate(params).architecture for params in proposals(space, 20)]
    assert {transformers_class(architecture).name for architecture in exportable} > {"LlamaForCausalLM"}
    plain = [sampler.candidate(params).architecture for params in proposals(tiny(), 20)]
    assert not all(is_exportable(Traits.from_architecture(architecture)) for architecture in plain)


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING])
def test_an_architecture_counts_as_seen_in_every_state(state: TrialState, tmp_path: Path) -> None:
    space = space_of(FOUR, tmp_path)
    study = optuna.create_study(sampler=sampler_of(space))
    ids = set()
    for number in range(4):
        assert sampler_of(space).has_unseen(study.get_trials(deepcopy=False)), number
        trial = study.ask()
        ids.add(suggested(space, trial).architecture.id)
        if state is TrialState.COMPLETE:
            study.tell(trial, 1.0)
        elif state is not TrialState.RUNNING:
            study.tell(trial, state=state)
    assert len(ids) == 4
    assert not sampler_of(space).has_unseen(study.get_trials(deepcopy=False))


def test_a_waiting_trial_is_seen_too(tmp_path: Path) -> None:
    space = space_of(FOUR, tmp_path)
    study = optuna.create_study(sampler=sampler_of(space))
    for layers in (1, 2):
        for hidden in (32, 64):
            study.enqueue_trial({"num_layers": layers, "hidden_dim": hidden, "lr_multiplier": 1.0, "vocab_size": 256})
    assert not sampler_of(space).has_unseen(study.get_trials(deepcopy=False))


def test_a_space_of_one_architecture_proposes_it_once(tmp_path: Path) -> None:
    text = (
        FOUR.replace("[1, 2]", "1").replace("[32, 64]", "[32]").replace("{ min = 0.5, max = 2.0, log = true }", "1.0")
    )
    space = space_of(text, tmp_path)
    sampler = sampler_of(space)
    study = optuna.create_study(sampler=sampler)
    assert sampler.has_unseen(study.get_trials(deepcopy=False))
    architecture = suggested(space, study.ask()).architecture
    assert (architecture.num_layers, architecture.hidden_dim) == (1, 32)
    assert not sampler.has_unseen(study.get_trials(deepcopy=False))
