"""Whole searches on a Ray cluster of two nodes, in which a worker, a node or the driver is killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.records.study import read_study
from nas.search.executors.engine import import_ray
from tests.helpers.study_commands import Ran, finish, num_ended, reproducible, start, trials, wait_until

import_ray()  # sets a variable that Ray reads when it is imported

from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = pytest.mark.slow

BUDGET = 12
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
AT_RANDOM = ["--sampler", "random", "--rungs", "1"]
WITH_RUNGS = ["--rungs", "2", "--trial-flops", "9e9"]
Kill = Callable[[Cluster, subprocess.Popen[str]], None]


@pytest.fixture(scope="module")
def flags(data: PreparedData, corpus_folder: Path) -> list[str]:
    return ["--space", "tiny", "--corpus", str(corpus_folder), "--budget", str(BUDGET)]


@pytest.fixture(scope="module")
def undisturbed(flags: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of random draws at full fidelity without Ray or faults: one thread per trial, as on Ray."""
    out = tmp_path_factory.mktemp("undisturbed")
    end = finish(start([*flags, *AT_RANDOM, "--workers", str(os.cpu_count() or 1), "--out", str(out)]))
    assert end.code == 0, end.err
    return out / "tiny"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    nodes.add_node(**NODE)
    session = Path(nodes.head_node.get_session_dir_path())
    yield nodes
    nodes.shutdown()
    shutil.rmtree(session)


def processes() -> list[tuple[int, int, str]]:
    """Return id, parent's id and command line of each live process."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return [(int(pid), int(parent), args) for pid, parent, state, args in rows if not state.startswith("Z")]


def busy_workers(cluster: Cluster) -> list[int]:
    """Return the processes that train a trial now."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    return [pid for pid, parent, args in processes() if parent in raylets and re.match(r"ray::\S+\.train", args)]


def descendants(ancestor: int) -> set[int]:
    """Return the processes that `ancestor` started, and those that they started."""
    family = {ancestor}
    while more := {pid for pid, parent, _ in processes() if parent in family} - family:
        family |= more
    return family - {ancestor}


def kill_a_worker(cluster: Cluster, driver: subprocess.Popen[str]) -> None:
    wait_until(lambda: bool(busy_workers(cluster)), driver)
    os.kill(busy_workers(cluster)[0], signal.SIGKILL)


def kill_a_node(cluster: Cluster, driver: subprocess.Popen[str]) -> None:
    (node,) = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)


def kill_the_driver(cluster: Cluster, driver: subprocess.Popen[str]) -> None:
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()


def run_search(cluster: Cluster, argv: list[str], out: Path, kill: Kill | None) -> Ran:
    """Run a search on `cluster` with `kill` after three trials, and resume it if its driver was killed."""
    command = [*argv, "--out", str(out), "--engine", "ray", "--address", cluster.address, "--json"]
    driver = start(command)
    if kill is not None:
        wait_until(lambda: num_ended(out / "tiny") >= 3, driver)
        kill(cluster, driver)
    if driver.returncode is not None:
        assert 3 <= num_ended(out / "tiny") < BUDGET
        driver = start(command)
    return finish(driver)


def unordered(folder: Path) -> list[dict[str, Any]]:
    """Return the reproducible part of each trial without the order of rungs, which two nodes may change."""
    records = [
        record.model_copy(update={"rungs": tuple(rung.model_copy(update={"order": 0}) for rung in record.rungs)})
        for record in trials(folder)
    ]
    return sorted((record.reproducible() for record in records), key=lambda record: record["number"])


@pytest.mark.parametrize("kill", [None, kill_a_worker, kill_a_node, kill_the_driver])
def test_random_draws_have_the_records_of_an_undisturbed_search(
    cluster: Cluster, flags: list[str], undisturbed: Path, tmp_path: Path, kill: Kill | None
) -> None:
    end = run_search(cluster, [*flags, *AT_RANDOM], tmp_path, kill)
    assert end.code == 0, end.err
    assert unordered(tmp_path / "tiny") == unordered(undisturbed)
    assert read_study(tmp_path / "tiny" / "study.json").verdict == read_study(undisturbed / "study.json").verdict
    assert "Traceback" not in end.err and "raylet" not in end.out + end.err
    wait_until(lambda: not busy_workers(cluster))


@pytest.mark.parametrize("kill", [kill_a_worker, kill_a_node, kill_the_driver])
def test_a_search_with_rungs_accounts_for_every_trial(
    cluster: Cluster, flags: list[str], tmp_path: Path, kill: Kill
) -> None:
    end = run_search(cluster, [*flags, *WITH_RUNGS], tmp_path, kill)
    assert end.code == 0, end.err
    records = trials(tmp_path / "tiny")
    assert sorted(record.number for record in records) == list(range(BUDGET))
    assert {record.state for record in records} <= {"COMPLETE", "PRUNED"}
    assert sorted(rung.order for record in records for rung in record.rungs) == list(
        range(sum(len(record.rungs) for record in records))
    )
    assert not list((tmp_path / "tiny" / "trunks").glob("*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_cluster_of_its_own_ends_with_the_search(flags: list[str], tmp_path: Path, number: signal.Signals) -> None:
    driver = start([*flags, "--out", str(tmp_path), "--engine", "ray", "--quiet"])
    wait_until(lambda: num_ended(tmp_path / "tiny") >= 1, driver)
    started = descendants(driver.pid)
    assert any("raylet" in args for pid, _, args in processes() if pid in started)
    os.kill(driver.pid, number)
    end = finish(driver)
    if number is signal.SIGKILL:
        assert end.code == -number
    else:
        assert end.code == 128 + number
        assert re.fullmatch(r"\nstopped: \d+ trials have ended and none is lost; resume with: python .*\n", end.err)
    wait_until(lambda: not started & {pid for pid, _, _ in processes()})


def test_one_worker_and_one_seed_leave_the_records_of_the_local_engine(flags: list[str], tmp_path: Path) -> None:
    """Compare rungs, verdict and exports; the cluster is started by the search itself."""
    for engine in ("local", "ray"):
        own = ["--workers", "1", "--engine", engine, "--out", str(tmp_path / engine)]
        end = finish(start([*flags, *WITH_RUNGS, "--budget", "8", *own]))
        assert end.code == 0, end.err
    local, ray = tmp_path / "local" / "tiny", tmp_path / "ray" / "tiny"
    assert reproducible(ray) == reproducible(local)
    assert {record.state for record in trials(ray)} == {"COMPLETE", "PRUNED"}
    assert read_study(ray / "study.json").verdict == read_study(local / "study.json").verdict
    assert ArchitectureConfig.load(ray / "arch.json") == ArchitectureConfig.load(local / "arch.json")
