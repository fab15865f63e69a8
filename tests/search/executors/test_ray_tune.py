"""Trials by Ray Tune, on a cluster of two nodes of one CPU each that all tests of this file share."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from nas.errors import CacheError, SpaceError, StudyError, UsageError
from nas.search.driver import Budget
from nas.search.executors.engine import import_ray
from nas.search.executors.ray_settings import RaySettings
from nas.search.trials import Trials
from nas.space.search_space import SearchSpace
from tests.helpers.instant_objective import Instant
from tests.helpers.spaces import FOUR, sampler_of, space_of, tiny
from tests.search.test_driver import FITNESS, Killed, Log, calls, calls_folder, opened, records, stored, with_rungs
from tests.search.test_driver import run as run_locally

import_ray()  # it reads a setting of ours as it is imported

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from nas.search.executors.ray_pool import RayPool, is_node_loss, loss_cause  # noqa: E402
from nas.search.executors.ray_tune import run_trials_by_ray  # noqa: E402

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    """Start two nodes, whose workers import this folder, and connect this process to them."""
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
        nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        nodes.add_node(**NODE)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="CRITICAL", namespace="tests")
        yield
        ray.shutdown()
        session = Path(nodes.head_node.get_session_dir_path())
        nodes.shutdown()
        shutil.rmtree(session)
    signal.signal(signal.SIGTERM, handler)  # Ray's own handler would stay


def run(
    folder: Path,
    budget: Budget,
    *,
    space: SearchSpace | None = None,
    mishaps: Mapping[int, str] | None = None,
    workers: int | None = 1,
    seconds: float = 0.0,
    log: Log | None = None,
) -> bool:
    """Run a search like `run_locally`, by Ray."""
    space, log = space or tiny(), log or Log()
    objective = Instant(mishaps or {}, seconds, calls_folder(folder))
    study = opened(folder, space)
    with RayPool(RaySettings(), workers, objective.initialise) as pool:
        trials = Trials(study, space, sampler_of(space), FITNESS, 0, log, log.kept.append)
        return run_trials_by_ray(trials, objective, pool, budget)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder for Ray and another for the local engine."""
    for name in ("ray", "local"):
        (tmp_path / name).mkdir()
    return tmp_path / "ray", tmp_path / "local"


def test_one_worker_leaves_the_records_of_the_local_engine(folders: tuple[Path, Path]) -> None:
    """The search has rungs, stopped trials, and every fault that an objective can have."""
    mishaps = {4: "raise", 6: "diverge at 1", 7: "refuse", 9: "diverge"}
    logs = Log(), Log()
    for search, folder, log in zip((run, run_locally), folders, logs, strict=True):
        assert search(folder, Budget(14), space=with_rungs(), mishaps=mishaps, log=log)
    by_ray, by_local_engine = map(records, folders)
    assert by_ray == by_local_engine
    assert {record["end"] for record in by_ray} == {"complete", "stopped", "diverged", "fault"}
    assert calls(folders[0]) == calls(folders[1])
    assert logs[0].events == logs[1].events


def test_a_study_is_resumed_under_another_engine(folders: tuple[Path, Path]) -> None:
    run_locally(folders[1], Budget(12), space=with_rungs())
    run_locally(folders[0], Budget(4), space=with_rungs())
    with suppress(KeyboardInterrupt):
        run(folders[0], Budget(12), space=with_rungs(), log=Killed(12))  # in the middle of a trial
    run(folders[0], Budget(12), space=with_rungs())
    assert records(folders[0]) == records(folders[1])
    assert calls(folders[0]) == calls(folders[1])


def test_an_interrupted_search_frees_its_node(tmp_path: Path) -> None:
    """It does so at once, not when the exception that is kept here is deleted: Tune ends no actor after Ctrl-C."""
    with pytest.raises(KeyboardInterrupt) as held:
        run(tmp_path, Budget(4), space=with_rungs(), log=Killed(3))
    deadline = time.monotonic() + 30
    while ray.available_resources().get("CPU") != 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ray.available_resources()["CPU"] == 2
    assert held.type is KeyboardInterrupt


def test_a_lost_worker_costs_the_rung_it_was_at(folders: tuple[Path, Path]) -> None:
    """The worker of the last trial is lost, when nothing is left to propose."""
    run_locally(folders[1], Budget(1), space=with_rungs())
    run(folders[0], Budget(1), space=with_rungs(), mishaps={0: "kill once at 1"})
    assert records(folders[0]) == records(folders[1])
    assert calls(folders[0]) == {0: 4}


@pytest.mark.slow
def test_a_trial_that_kills_its_worker_is_given_up_without_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, Budget(3), mishaps={1: "kill"})
    trials = stored(tmp_path).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials[1].user_attrs["reason"] == "its worker process was lost 3 times (its worker process has died)"
    assert calls(tmp_path) == {0: 1, 1: 3, 2: 1}
    time.sleep(1)  # Ray reports lost workers with a delay
    assert capfd.readouterr() == ("", "")


def test_no_more_trials_are_open_than_fit(tmp_path: Path) -> None:
    log = Log()
    run(tmp_path, Budget(8), workers=None, log=log, seconds=0.2)
    num_open, max_open = 0, 0
    for event in log.events:
        num_open += {"started": 1, "ended": -1}.get(event.split()[0], 0)
        max_open = max(max_open, num_open)
    assert max_open == 2
    assert [trial.state.name for trial in stored(tmp_path).trials] == ["COMPLETE"] * 8


def test_five_faults_in_a_row_stop_with_the_last_reason(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"5 trials in a row failed.*ZeroDivisionError"):
        run(tmp_path, Budget(20), mishaps=dict.fromkeys(range(2, 20), "raise"))
    assert [trial.state.name for trial in stored(tmp_path).trials] == ["COMPLETE"] * 2 + ["FAIL"] * 5


def test_a_space_that_is_used_up_ends_the_search_well(tmp_path: Path) -> None:
    assert not run(tmp_path, Budget(40), space=space_of(FOUR, tmp_path), workers=2)
    assert [trial.state.name for trial in stored(tmp_path).trials] == ["COMPLETE"] * 4


def test_a_space_without_a_legal_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"no legal architecture in 5,000 draws"):
        run(tmp_path, Budget(4), space=space_of(FOUR.replace("1_000_000", "1_000"), tmp_path))


def test_no_file_or_variable_of_tune_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "study").mkdir()
    before = dict(os.environ)
    run(tmp_path / "study", Budget(2))
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
    assert os.environ == before


# The pool of the verdict


def nothing() -> None: ...


def node(name: str, folder: Path) -> str:
    """Return the node that runs this task; wait until another task runs too."""
    (folder / name).touch()
    deadline = time.monotonic() + 60
    while len([*folder.iterdir()]) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    return str(ray.get_runtime_context().get_node_id())


def fail(error: Exception) -> None:
    raise error


def test_a_pool_runs_tasks_on_all_nodes(tmp_path: Path) -> None:
    with RayPool(RaySettings(), None, nothing) as pool:
        assert pool.num_free == 2
        pool.submit("a", partial(node, "a", tmp_path))
        pool.submit("b", partial(node, "b", tmp_path))
        assert pool.num_free == 0
        assert pool.wait(0.01) == []
        results = pool.wait() + pool.wait()
        assert pool.num_free == 2
    assert sorted(str(result.key) for result in results) == ["a", "b"]
    assert len({result.value for result in results}) == 2


def test_a_pool_reports_errors_in_one_line() -> None:
    with RayPool(RaySettings(), 1, nothing) as pool:
        pool.submit(1, partial(fail, ValueError("one\ntwo")))
        assert [result.error for result in pool.wait()] == ["ValueError: one"]
        pool.submit(3, partial(fail, CacheError("cannot read data cache x")))
        with pytest.raises(StudyError, match="cannot read data cache x"):
            pool.wait()


@pytest.mark.slow
def test_a_task_that_kills_its_worker_is_given_up() -> None:
    with RayPool(RaySettings(), 1, nothing) as pool:
        pool.submit(2, partial(os._exit, 3))
        (result,) = pool.wait()
        assert result.error is not None and result.error.startswith("its worker process was lost 3 times (")
        assert "\n" not in result.error


def test_a_trial_that_fits_on_no_node_is_refused() -> None:
    with (
        pytest.raises(
            UsageError, match=r"no node of the Ray cluster has the 1 CPU and 0\.5 GPUs of a trial; .*1 CPUs, 0"
        ),
        RayPool(RaySettings(gpus=0.5), None, nothing),
    ):
        pass
    assert ray.is_initialized()


def test_a_loss_is_one_line_and_does_not_count_against_a_trial_if_a_node_was_lost() -> None:
    died = (
        "The actor died unexpectedly before finishing this task.\n\tpid: 7\nThe actor is dead because its {}. More: 1"
    )
    created = "The actor died because of an error raised in its creation task, ray::x\n  File y\nImportError: no nas\n"
    unavailable = "The actor f00 is unavailable: The actor is temporarily unavailable: RpcError: reset. It may or not."
    texts = [died.format("worker process has died"), created, "", died.format("node has died"), unavailable]
    causes = list(map(loss_cause, texts))
    assert causes[:4] == [
        "its worker process has died",
        "ImportError: no nas",
        "Ray gives no reason",
        "its node has died",
    ]
    assert list(map(is_node_loss, causes)) == [False, False, False, True, True]
