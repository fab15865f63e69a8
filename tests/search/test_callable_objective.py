from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nas.errors import StudyError, UsageError
from nas.records.trial import TrialEnd
from nas.search.callable_objective import Scores, StudyResult, run_study
from nas.search.driver import Budget
from nas.search.plan import SearchOptions, SearchPlan, plan_search
from nas.space.search_space import Candidate, SearchSpace, load_space
from tests.helpers.spaces import FOUR, space_of, tiny

TOP = 9e10


def ruled(num_rungs: int = 3) -> SearchSpace:
    """The tiny space with rungs."""
    space = tiny()
    training = space.training.model_copy(update={"trial_flops": TOP, "num_rungs": num_rungs})
    return space.model_copy(update={"training": training})


def score(candidate: Candidate, train_flops: float, seed: int) -> Scores:
    """Return scores that improve with training and layers and worsen with distance from width 48; all differ."""
    architecture = candidate.architecture
    off = ((architecture.hidden_dim - 48) / 16) ** 2 + 1e-6 * int(architecture.id, 16) / 16**10
    return Scores(2 + 0.1 * off - 0.1 * architecture.num_layers + 3e4 / math.sqrt(train_flops), 0.2)


def reproducible(result: StudyResult) -> list[object]:
    return [record.reproducible() for record in result.records]


def test_a_python_function_can_be_searched() -> None:
    result = run_study(ruled(), score, Budget(30))
    assert len(result.records) == 30
    best = result.best
    assert best is not None
    assert (best.architecture.num_layers, best.architecture.hidden_dim) == (2, 48)
    assert best.val_bpb == pytest.approx(1.8 + 3e4 / math.sqrt(TOP), abs=1e-6)
    assert best.fitness == pytest.approx((best.val_bpb or 0) + 0.25 * 0.2)
    assert [rung.train_flops for rung in best.rungs] == [TOP / 9, TOP / 3, TOP]


def loops_when_wide(candidate: Candidate, train_flops: float, seed: int) -> Scores:
    """Return far better bits per byte for wide architectures, and a higher collapse rate."""
    shape = candidate.architecture
    need = 300 / shape.non_embedding_params**0.5 + 40 * (shape.train_flops_per_token() / train_flops) ** 0.3
    return Scores(1 + need - 0.3 * (shape.hidden_dim >= 64), 0.7 if shape.hidden_dim >= 64 else 0.3)


@pytest.mark.parametrize(
    ("sampler", "objectives"),
    [("law", ("fitness",)), ("tpe", ("fitness",)), ("gp", ("fitness",)), ("gp", ("val_bpb", "num_params"))],
)
def test_proposers_avoid_architectures_measured_over_a_limit(sampler: str, objectives: tuple[str, ...]) -> None:
    """Three in four random draws exceed the limit, as would those of a proposer that ignores it."""
    space = load_space("base")
    training = space.training.model_copy(update={"num_rungs": 3 if len(objectives) == 1 else 1})
    limits = space.constraints.model_copy(update={"max_collapse_rate": 0.5})
    space = space.model_copy(update={"training": training, "constraints": limits})
    result = run_study(space, loops_when_wide, Budget(34), sampler=sampler, objectives=objectives, seed=1)
    late = [record.architecture.hidden_dim >= 64 for record in result.records[14:]]
    assert sum(late) <= 11, f"{sum(late)} of {len(late)}"
    assert sum(record.is_complete for record in result.records) >= 5


def test_stopped_trials_are_pruned_with_their_scores() -> None:
    result = run_study(ruled(), score, Budget(30))
    stopped = [record for record in result.records if record.state == "PRUNED"]
    assert 10 < len(stopped) < 28
    for record in stopped:
        assert record.end is TrialEnd.STOPPED
        assert record.reason is not None and f"rung {len(record.rungs)} of 3" in record.reason
        assert (record.fitness, record.val_bpb) == (None, None)
        assert (
            record.rungs[-1].val_bpb
            == score(Candidate(record.architecture, record.vocabulary, 1.0), record.rungs[-1].train_flops, 0).val_bpb
        )
    orders = [rung.order for record in result.records for rung in record.rungs]
    assert sorted(orders) == list(range(len(orders)))
    # A rung costs its length without the four fifths of the rung below, from which it continues.
    spent = {0: TOP / 9, 1: TOP / 3 - 0.8 * TOP / 9, 2: TOP - 0.8 * TOP / 3}
    assert result.spent_flops == pytest.approx(
        sum(spent[rung.rung] for record in result.records for rung in record.rungs)
    )
    assert result.spent_flops < 0.6 * 30 * TOP


def test_equal_seeds_give_equal_studies_and_other_seeds_others() -> None:
    first = run_study(ruled(), score, Budget(16))
    assert reproducible(run_study(ruled(), score, Budget(16))) == reproducible(first)
    assert reproducible(run_study(ruled(), score, Budget(16), seed=1)) != reproducible(first)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "nsga2", "random"])
@pytest.mark.parametrize("objectives", [("fitness",), ("val_bpb", "num_params")], ids=["one", "two"])
def test_every_sampler_supports_one_objective_or_two(sampler: str, objectives: tuple[str, ...]) -> None:
    result = run_study(ruled(), score, Budget(24), sampler=sampler, objectives=objectives)
    assert len({record.architecture.id for record in result.records}) == 24
    assert {record.state for record in result.records} == {"COMPLETE", "PRUNED"}
    assert len(result.study.directions) == len(objectives)
    references = [record.reference for record in result.records if record.reference]
    assert bool(references) == (sampler != "random")


def test_the_front_is_not_dominated_in_the_objectives() -> None:
    result = run_study(ruled(1), score, Budget(20), objectives=("val_bpb", "num_params"))
    points = {record.number: (record.val_bpb, record.architecture.num_params) for record in result.records}
    for record in result.front:
        mine = points[record.number]
        assert not any(a[0] <= mine[0] and a[1] <= mine[1] and a != mine for a in points.values() if a[0] and mine[0])
    assert len(result.study.best_trials) == len(result.front)


def test_a_study_with_a_database_can_be_resumed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    whole = run_study(ruled(), score, Budget(14))
    run_study(ruled(), score, Budget(5), storage=url)
    assert reproducible(run_study(ruled(), score, Budget(14), storage=url)) == reproducible(whole)
    with pytest.raises(StudyError, match="other settings"):
        run_study(ruled(), score, Budget(14), storage=url, seed=3)


def test_a_worker_process_gives_the_results_of_this_process() -> None:
    assert reproducible(run_study(ruled(), score, Budget(6), num_workers=1)) == reproducible(
        run_study(ruled(), score, Budget(6))
    )


def test_a_budget_of_flops_starts_no_trial_beyond_it() -> None:
    result = run_study(ruled(1), score, Budget(train_flops=7.5 * TOP))
    assert len(result.records) == 8


def test_an_objective_that_raises_fails_its_trials_with_the_reason() -> None:
    def broken(candidate: Candidate, train_flops: float, seed: int) -> Scores:
        raise ValueError("no such table")

    with pytest.raises(StudyError, match=r"^5 trials in a row failed.*ValueError: no such table"):
        run_study(ruled(), broken, Budget(20))


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown objective 'val_bpd'; did you mean 'val_bpb'\?"):
        run_study(ruled(), score, Budget(2), objectives=("val_bpd",))
    with pytest.raises(UsageError, match="decode_ms_per_token"):
        run_study(ruled(), score, Budget(2), objectives=("fitness", "decode_ms_per_token"))
    with pytest.raises(UsageError, match=r"'num_params'.*add one of"):
        run_study(ruled(), score, Budget(2), objectives=("num_params",))
    with pytest.raises(UsageError, match=r"unknown sampler 'tpee'; did you mean 'tpe'\?"):
        run_study(ruled(), score, Budget(2), sampler="tpee")
    chars = space_of(FOUR.replace("vocab_size = 256", 'vocab_size = "char"'), tmp_path)
    with pytest.raises(UsageError, match=r"'char'.*vocabulary_sizes"):
        run_study(chars, score, Budget(2))
    assert len(run_study(chars, score, Budget(2), vocabulary_sizes={"char": 300}).records) == 2


def test_several_objectives_are_searched_by_a_gp_without_rungs_by_default(tmp_path: Path) -> None:
    def plan(**changes: Any) -> SearchPlan:
        return plan_search(SearchOptions(space="base", out=tmp_path, device="cpu", **changes))

    several = ("val_bpb", "num_params")
    for changes, sampler, rungs in (
        ({}, "law", 3),
        ({"objectives": several}, "gp", 1),
        ({"objectives": several, "sampler": "tpe", "num_rungs": 2}, "tpe", 2),
    ):
        search = plan(**changes)
        assert (search.sampler, search.space.training.num_rungs) == (sampler, rungs)
