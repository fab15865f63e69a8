from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from nas.errors import UsageError
from nas.search.executors.engine import plan_engine
from nas.search.executors.ray_options import RaySettings
from nas.system.machine import available_cores
from nas.training.numerics import Numerics


def planned(
    engine: str = "ray",
    workers: int | None = None,
    device: str = "cpu",
    *,
    address: str | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
) -> tuple[int | None, Numerics, RaySettings | None]:
    flags = {"--address": address, "--cpus-per-trial": cpus, "--gpus-per-trial": gpus}
    return plan_engine(engine, workers, device, flags)


def test_without_ray_workers_share_the_cores() -> None:
    cores = available_cores()
    for workers, threads in ((None, 1), (1, cores), (cores, 1), (4 * cores, 1)):
        num_workers, numerics, ray_settings = planned("local", workers)
        assert (num_workers, numerics.threads, ray_settings) == (workers or cores, threads, None)


def test_on_this_machine_ray_plans_the_same_threads() -> None:
    for workers in (None, 1, available_cores()):
        num_workers, numerics, ray_settings = planned("ray", workers)
        assert num_workers == workers
        assert numerics == planned("local", workers)[1]
        assert ray_settings == RaySettings(None, float(numerics.threads), 0.0)


def test_on_a_cluster_each_trial_has_a_cpu_and_the_threads_of_those_it_is_given() -> None:
    for cpus, threads in ((None, 1), (0.5, 1), (2.0, 2), (3.5, 3)):
        num_workers, numerics, ray_settings = planned("ray", 1, address="10.0.0.1:6379", cpus=cpus)
        assert (num_workers, numerics.threads) == (1, threads)
        assert ray_settings == RaySettings("10.0.0.1:6379", cpus or 1.0, 0.0)


def test_gpus_of_trials_mean_cuda_even_where_the_driver_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    _, numerics, ray_settings = planned("ray", device="auto", address="auto", gpus=0.25)
    assert (numerics.device, numerics.dtype) == ("cuda", "bfloat16")
    assert ray_settings == RaySettings("auto", 1.0, 0.25)
    with pytest.raises(UsageError, match="sees no CUDA device"):
        planned("ray", device="cuda", address="auto")


def test_a_trial_on_a_gpu_has_all_of_it_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    _, numerics, ray_settings = planned("ray", device="auto")
    assert (numerics.device, numerics.dtype) == ("cuda", "float32")
    assert ray_settings == RaySettings(None, 1.0, 1.0)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"engine": "rya"}, "unknown engine 'rya'; did you mean 'ray'?"),
        ({"engine": "local", "address": "a:1"}, "--address is for --engine ray; add that, or leave it out"),
        ({"engine": "local", "cpus": 2.0}, "--cpus-per-trial is for --engine ray"),
        ({"engine": "local", "gpus": 0.5}, "--gpus-per-trial is for --engine ray"),
        ({"address": "ray://a:10001"}, "--address is HOST:PORT, or auto on a machine of the cluster, found 'ray://a:1"),
        ({"address": "head"}, "found 'head'"),
        ({"device": "cuda:1"}, "Ray chooses among the GPUs, found --device cuda:1; use --device cuda"),
        ({"device": "cpu", "gpus": 0.5}, "--gpus-per-trial 0.5 would lie idle with --device cpu"),
    ],
    ids=str,
)
def test_wrong_usage_is_one_line(asked: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError) as raised:
        planned(**asked)
    assert line in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    with pytest.raises(UsageError, match=r"^--engine ray needs Ray Tune: pip install 'codenas\[ray\]'$"):
        planned()


def test_ray_is_not_imported_before_it_is_asked_for() -> None:
    code = "import sys, nas.search.plan as plan; plan.plan_search(plan.SearchOptions('tiny')); "
    shown = subprocess.run(
        [sys.executable, "-c", code + "print('ray' in sys.modules)"], capture_output=True, text=True, check=True
    ).stdout
    assert shown == "False\n"


@pytest.mark.parametrize(
    ("cpus", "gpus", "node", "room"),
    [
        (1.0, 0.0, {"CPU": 4.0}, 4),
        (1.5, 0.0, {"CPU": 4.0}, 2),
        (1.0, 1.0, {"CPU": 4.0}, 0),
        (1.0, 0.5, {"CPU": 4.0, "GPU": 1.0}, 2),
        (4.0, 0.5, {"CPU": 4.0, "GPU": 1.0}, 1),
        (0.1, 1 / 3, {"CPU": 4.0, "GPU": 1.0}, 3),
        (1.0, 0.0, {"memory": 1e9}, 0),
    ],
)
def test_the_room_of_a_node_is_that_of_what_it_has_least_of(
    cpus: float, gpus: float, node: dict[str, float], room: int
) -> None:
    assert RaySettings(None, cpus, gpus).room(node) == room
