from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.errors import SpaceError, StudyError, StudyMismatch
from nas.records.trial import RungResult, TrialEnd, TrialRecord
from nas.search.driver import Budget, run_trials
from nas.search.executors.workers import WorkerPool
from nas.search.objectives import metrics_of
from nas.search.rungs.results import Result
from nas.search.rungs.stopping import StoppingRule
from nas.search.storage import open_study
from nas.search.trial_attributes import attributes_of, ended_records
from nas.search.trials import Trials
from nas.space.search_space import Candidate, SearchSpace
from nas.trial.task import RungTask
from tests.helpers.instant_objective import Instant, complete_record
from tests.helpers.spaces import FOUR, sampler_of, space_of, suggested, tiny

FITNESS = metrics_of(["fitness"])


@dataclass
class Log:
    """Observer that logs its events and the kept records."""

    events: list[str] = field(default_factory=list)
    kept: list[TrialRecord] = field(default_factory=list)

    def trial_started(self, number: int, description: str) -> None:
        self.events.append(f"started {number}")

    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None:
        self.events.append(f"rung {result.rung} of {number}")

    def trial_ended(self, record: TrialRecord) -> None:
        self.events.append(f"ended {record.number} {record.state}")


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


def opened(folder: Path, space: SearchSpace) -> optuna.Study:
    return open_study("test", database(folder), space, sampler_of(space), {"of": "a test"})


def run(
    folder: Path,
    budget: Budget,
    *,
    space: SearchSpace | None = None,
    mishaps: Mapping[int, str] | None = None,
    workers: int = 1,
    seconds: float = 0.0,
    log: Log | None = None,
) -> bool:
    """Run a search as a session does."""
    space, log = space or tiny(), log or Log()
    objective = Instant(mishaps or {}, seconds, calls_folder(folder))
    study = opened(folder, space)
    with WorkerPool(workers, objective.initialise) as pool:
        trials = Trials(study, space, sampler_of(space), FITNESS, 0, log, log.kept.append)
        return run_trials(trials, objective, pool, budget)


def task_of(candidate: Candidate, trial: optuna.Trial) -> RungTask:
    return RungTask(candidate, trial.number, 0, trial.user_attrs.get("reference"))


def calls_folder(folder: Path) -> Path:
    (folder / "calls").mkdir(exist_ok=True)
    return folder / "calls"


def calls(folder: Path) -> dict[int, int]:
    return {int(path.name): len(path.read_text().splitlines()) for path in (folder / "calls").iterdir()}


def stored(folder: Path) -> optuna.Study:
    """Return the study as Optuna alone opens it."""
    return optuna.load_study(study_name="test", storage=database(folder))


def records(folder: Path) -> list[dict[str, Any]]:
    return [record.reproducible() for record in ended_records(stored(folder))]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(folder, Budget(12))
    return records(folder)


def test_a_study_with_other_settings_cannot_be_resumed(tmp_path: Path) -> None:
    space = tiny()
    run(tmp_path, Budget(1))
    with pytest.raises(
        StudyMismatch, match=r"^study 'test' was made with other settings \(of: stored a test, requested me\)"
    ):
        open_study("test", database(tmp_path), space, sampler_of(space), {"of": "me"})


def test_a_study_without_trials_accepts_other_settings(tmp_path: Path) -> None:
    """This happens after a search whose space had no legal architecture."""
    space = tiny()
    opened(tmp_path, space)
    wider = space_of(FOUR, tmp_path)
    study = open_study("test", database(tmp_path), wider, sampler_of(wider), {"of": "me"})
    assert study.user_attrs["identity"] == {"of": "me"}
    assert open_study("test", database(tmp_path), wider, sampler_of(wider), {"of": "me"}).user_attrs["identity"]
    waiting = [trial.system_attrs["fixed_params"]["num_layers"] for trial in study.trials]
    assert waiting and len(study.trials) < 4


def test_the_budget_counts_ended_trials_of_every_state(tmp_path: Path) -> None:
    log = Log()
    mishaps = {3: "diverge", 4: "raise", 5: "kill", 6: "exit", 7: "refuse"}
    assert run(tmp_path, Budget(9), mishaps=mishaps, log=log)
    trials = stored(tmp_path).trials
    states = Counter(trial.state.name for trial in trials)
    assert states == {"COMPLETE": 4, "PRUNED": 1, "FAIL": 4}
    assert [trial.number for trial in trials] == list(range(9))
    assert [record.number for record in log.kept] == list(range(9))
    assert log.events[:3] == ["started 0", "rung 0 of 0", "ended 0 COMPLETE"]
    assert "ended 5 FAIL" in log.events
    assert calls(tmp_path) == dict.fromkeys(range(9), 1)


def test_a_fault_keeps_its_architecture_and_one_line_of_reason(tmp_path: Path) -> None:
    run(tmp_path, Budget(9), mishaps={4: "raise", 5: "kill", 6: "exit", 7: "refuse"})
    ended = ended_records(stored(tmp_path))
    assert [record.reason for record in ended[4:8]] == [
        "ZeroDivisionError: division by zero",
        "its worker process was lost (killed by SIGKILL; out of memory?)",
        "its worker process was lost (exit code 7)",
        "the device is too small",
    ]
    trials = stored(tmp_path).trials
    for record, trial in zip(ended, trials, strict=True):
        assert record.architecture == sampler_of(tiny()).candidate(trial.params).architecture
        assert trial.user_attrs["architecture"] == record.architecture.describe()
        assert trial.user_attrs.get("reason") == record.reason
    assert len({record.architecture.id for record in ended}) == 9


def test_a_diverged_trial_is_pruned_and_infeasible(tmp_path: Path) -> None:
    run(tmp_path, Budget(5), mishaps={3: "diverge"})
    trials = stored(tmp_path).trials
    assert trials[3].state is TrialState.PRUNED
    assert trials[3].constraints == {"unusable": 1.0}
    assert all(not trial.constraints for trial in trials if trial.number != 3)


def test_five_faults_in_a_row_stop_with_the_last_reason(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"^5 trials in a row failed, .*ZeroDivisionError: division by"):
        run(tmp_path, Budget(20), mishaps=dict.fromkeys(range(2, 20), "raise"))
    assert [trial.state.name for trial in stored(tmp_path).trials] == ["COMPLETE"] * 2 + ["FAIL"] * 5


def test_four_faults_in_a_row_do_not_stop(tmp_path: Path) -> None:
    mishaps = dict.fromkeys([1, 2, 3, 4, 6, 7, 8, 9], "raise")
    assert run(tmp_path, Budget(11), mishaps=mishaps)
    assert len(stored(tmp_path).trials) == 11


def test_hours_end_a_search_without_cutting_a_trial(tmp_path: Path) -> None:
    """Trials of 0.4 s within 1 s: at least one, at most three, and the last one is finished."""
    assert run(tmp_path, Budget(hours=1 / 3600), seconds=0.4)
    states = [trial.state.name for trial in stored(tmp_path).trials if trial.state is not TrialState.WAITING]
    assert 1 <= len(states) <= 3
    assert set(states) == {"COMPLETE"}


def test_two_workers_train_distinct_architectures_up_to_the_budget(tmp_path: Path) -> None:
    assert run(tmp_path, Budget(13), workers=2, mishaps={6: "kill"})
    ended = ended_records(stored(tmp_path))
    assert [record.number for record in ended] == list(range(13))
    assert len({record.architecture.id for record in ended}) == 13


def test_a_met_budget_trains_nothing(tmp_path: Path) -> None:
    run(tmp_path, Budget(4))
    run(tmp_path, Budget(4))
    run(tmp_path, Budget(2))
    assert calls(tmp_path) == dict.fromkeys(range(4), 1)


def test_a_larger_budget_ends_where_one_run_would_have(tmp_path: Path, uninterrupted: list[dict[str, Any]]) -> None:
    for budget in (3, 11, 12):
        run(tmp_path, Budget(budget))
    assert records(tmp_path) == uninterrupted


@pytest.mark.parametrize(
    ("when", "ended"),
    [("asked", 1), ("suggested", 1), ("asked", 11), ("half suggested", 11), ("suggested", 11), ("written", 11)],
    ids=lambda value: {1: "a reference", 11: "a proposal of TPE"}.get(value, value),
)
def test_an_unfinished_trial_is_finished_under_its_own_number(
    tmp_path: Path, uninterrupted: list[dict[str, Any]], when: str, ended: int
) -> None:
    """Simulate a killed driver, which leaves a RUNNING trial with the values written so far."""
    run(tmp_path, Budget(ended))
    space = tiny()
    study = opened(tmp_path, space)
    trial = study.ask()
    if when == "half suggested":
        trial.suggest_int("num_layers", 1, 2)
        trial.suggest_categorical("hidden_dim", (32, 48, 64))
    elif when != "asked":
        candidate = suggested(space, trial)
        if when == "written":
            record = complete_record(task_of(candidate, trial))
            rungs = (record.rungs[0].model_copy(update={"order": trial.number}),)
            record = record.model_copy(update={"rungs": rungs})
            for key, value in attributes_of(record).items():
                trial.set_user_attr(key, value)
    del study, trial
    run(tmp_path, Budget(12))
    assert records(tmp_path) == uninterrupted
    assert [trial.state.name for trial in stored(tmp_path).trials] == ["COMPLETE"] * 12
    trained = [number for number in range(12) if when != "written" or number != ended]
    assert calls(tmp_path) == dict.fromkeys(trained, 1)


def test_several_unfinished_trials_keep_their_architectures(tmp_path: Path) -> None:
    """Two workers were killed in the middle of two trials."""
    run(tmp_path, Budget(5))
    space = tiny()
    study = opened(tmp_path, space)
    left = [suggested(space, study.ask()).architecture for _ in range(2)]
    run(tmp_path, Budget(9), workers=2)
    ended = ended_records(stored(tmp_path))
    assert [record.architecture for record in ended[5:7]] == left
    assert [record.number for record in ended] == list(range(9))
    assert len({record.architecture.id for record in ended}) == 9


def test_a_search_that_uses_up_its_space_ends_without_an_error(tmp_path: Path) -> None:
    log = Log()
    assert not run(tmp_path, Budget(40), space=space_of(FOUR, tmp_path), log=log, workers=2)
    trials = stored(tmp_path).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    sizes = {(record.architecture.num_layers, record.architecture.hidden_dim) for record in log.kept}
    assert sizes == {(1, 32), (1, 64), (2, 32), (2, 64)}
    assert not run(tmp_path, Budget(40), space=space_of(FOUR, tmp_path))
    assert len(stored(tmp_path).trials) == 4


def test_a_used_up_space_can_still_meet_the_budget(tmp_path: Path) -> None:
    assert run(tmp_path, Budget(4), space=space_of(FOUR, tmp_path))


def test_a_space_without_a_legal_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"^no legal architecture in 5,000 draws from the space;"):
        run(tmp_path, Budget(4), space=space_of(FOUR.replace("1_000_000", "1_000"), tmp_path))
    assert stored(tmp_path).trials == []


def test_an_enqueued_architecture_over_a_limit_is_pruned_with_a_reason_and_not_trained(tmp_path: Path) -> None:
    """Untied embeddings of L2 H64 alone are 2 x 256 x 64 = 32,768 parameters."""
    space = space_of(FOUR.replace("1_000_000", "20_000"), tmp_path)
    study = opened(tmp_path, space)
    study.enqueue_trial({"num_layers": 2, "hidden_dim": 64, "lr_multiplier": 1.0})
    run(tmp_path, Budget(2), space=space)
    over = [trial for trial in stored(tmp_path).trials if trial.state is TrialState.PRUNED]
    assert len(over) == 1
    assert over[0].user_attrs["reason"].startswith("over the limit, not trained: max_params by ")
    assert over[0].constraints["max_params"] > 0
    assert over[0].number not in calls(tmp_path)


def test_a_record_is_kept_only_after_the_study_has_its_result(tmp_path: Path) -> None:
    space = tiny()
    study = opened(tmp_path, space)
    seen = []

    def keep(record: TrialRecord) -> None:
        trial = stored(tmp_path).trials[record.number]
        seen.append((trial.state.name, trial.value, TrialRecord.model_validate(trial.user_attrs["record"]) == record))

    objective = Instant({3: "raise"})
    with WorkerPool(1, objective.initialise) as pool:
        run_trials(Trials(study, space, sampler_of(space), FITNESS, 0, Log(), keep), objective, pool, Budget(4))
    values = [trial.value for trial in stored(tmp_path).trials]
    assert seen == [("COMPLETE", value, True) for value in values[:3]] + [("FAIL", None, True)]


def test_figures_are_user_attributes_that_optuna_alone_can_read(tmp_path: Path) -> None:
    run(tmp_path, Budget(3))
    trial = stored(tmp_path).trials[0]
    architecture = sampler_of(tiny()).candidate(trial.params).architecture
    val_bpb = 1 + 10_000 / architecture.num_params
    shown = {key: value for key, value in trial.user_attrs.items() if key != "record"}
    assert shown == {
        "reference": "origin",
        "architecture": architecture.describe(),
        "vocabulary": "bpe-512",
        "val_bpb": val_bpb,
        "val_perplexity": 2**val_bpb,
        "collapse_rate": 0.3,
        "sampled_collapse_rate": 0.1,
        "greedy_collapse_rate": 0.3,
        "num_params": architecture.num_params,
        "train_flops": 1e6,
    }
    assert trial.value == pytest.approx(val_bpb + 0.3)
    assert [trial.user_attrs.get("reference") for trial in stored(tmp_path).trials] == ["origin", "gpt2", "llama"]


def test_a_trial_without_results_has_its_reason_and_no_figures() -> None:
    candidate = sampler_of(tiny()).candidate(
        {"num_layers": 1, "hidden_dim": 32, "vocab_size": 256, "head_dim": 8, "query_group_size": 1}
        | {"ffn_multiplier": 2.0, "activation": "gelu", "normalization": "rmsnorm", "position_encoding": "rope"}
        | {"tie_embeddings": True, "qk_norm": False, "dropout": 0.0, "lr_multiplier": 1.0}
    )
    attributes = attributes_of(RungTask(candidate, 0, 0).ended(TrialEnd.FAULT, "why", seed=0))
    assert attributes.keys() == {"architecture", "vocabulary", "reason", "record"}


# Rungs


def with_rungs() -> SearchSpace:
    space = tiny()
    training = space.training.model_copy(update={"trial_flops": 1e11, "num_rungs": 3})
    return space.model_copy(update={"training": training})


def test_a_trial_killed_between_rungs_resumes_at_the_next_with_equal_results(tmp_path: Path) -> None:
    """Kill the driver right after the result of a rung was written, at each result in turn."""
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    whole.mkdir()
    pieces.mkdir()
    run(whole, Budget(12), space=with_rungs())
    expected = records(whole)
    orders = sorted(rung["order"] for record in expected for rung in record["rungs"])
    assert orders == list(range(len(orders))) and len(orders) > 15
    for kill_at in range(len(orders)):
        log = Killed(kill_at)
        with suppress(KeyboardInterrupt):
            run(pieces, Budget(12), space=with_rungs(), log=log)
    run(pieces, Budget(12), space=with_rungs())
    assert records(pieces) == expected
    assert calls(pieces) == calls(whole)


def test_a_repeated_decision_uses_the_results_known_at_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record two trials in reverse order, then kill: trial 1 must not see results that came after it."""
    space = with_rungs()
    seen: list[list[int]] = []

    def stop_reason(rule: StoppingRule, result: Result, previous: Sequence[Result]) -> None:
        seen.append([other.order for other in previous])

    def driver() -> Trials:
        return Trials(opened(tmp_path, space), space, sampler_of(space), FITNESS, 0, Log(), lambda record: None)

    def begin(trials: Trials) -> RungTask:
        assert trials.has_next()
        task = trials.begin()
        assert task is not None
        return task

    monkeypatch.setattr(StoppingRule, "stop_reason", stop_reason)
    trials = driver()
    for task in [begin(trials), begin(trials)][::-1]:
        trials.record(task.number, complete_record(task))
    assert seen == [[], [0]]
    again = driver()
    assert [begin(again).number, begin(again).number] == [0, 1]
    assert seen[2:] == [[0], []]


@dataclass
class Killed(Log):
    """Observer that kills the driver when the result with the order `at` was written."""

    at: int = 0

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None:
        if result.order == self.at:
            raise KeyboardInterrupt


def test_a_stopped_trial_is_pruned_but_not_infeasible(tmp_path: Path) -> None:
    run(tmp_path, Budget(14), space=with_rungs())
    trials = stored(tmp_path).trials
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert len(pruned) >= 4
    assert all(not trial.constraints for trial in pruned)
    records = [TrialRecord.model_validate(trial.user_attrs["record"]) for trial in pruned]
    assert all(record.rungs and record.end is TrialEnd.STOPPED for record in records)


def test_a_trial_that_diverges_at_a_later_rung_keeps_the_rungs_before(tmp_path: Path) -> None:
    run(tmp_path, Budget(1), space=with_rungs(), mishaps={0: "diverge at 1"})
    (trial,) = stored(tmp_path).get_trials(states=(TrialState.PRUNED,))
    record = TrialRecord.model_validate(trial.user_attrs["record"])
    assert [rung.rung for rung in record.rungs] == [0]
    assert trial.constraints == {"unusable": 1.0}


def test_a_trial_over_a_measured_limit_is_infeasible(tmp_path: Path) -> None:
    """Every trial has a collapse rate of 0.3, which the limit checks only at the top rung."""
    space = with_rungs()
    space = space.model_copy(update={"constraints": space.constraints.model_copy(update={"max_collapse_rate": 0.25})})
    run(tmp_path, Budget(2), space=space)
    for trial in stored(tmp_path).trials[:1]:
        assert trial.state is TrialState.PRUNED
        assert trial.constraints == {"max_collapse_rate": pytest.approx(0.2)}
        assert trial.user_attrs["reason"] == "over the limit, as measured: max_collapse_rate by 20%"
        assert len(TrialRecord.model_validate(trial.user_attrs["record"]).rungs) == 3
