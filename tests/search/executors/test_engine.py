from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from nas.errors import UsageError
from nas.search.executors.engine import plan_engine
from nas.search.executors.ray_settings import RaySettings
from nas.system.machine import available_cores
from nas.training.numerics import Numerics


def plan(
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
        num_workers, numerics, ray_settings = plan("local", workers)
        assert (num_workers, numerics.threads, ray_settings) == (workers or cores, threads, None)


def test_on_this_machine_ray_plans_the_same_threads() -> None:
    for workers in (None, 1, available_cores()):
        num_workers, numerics, ray_settings = plan("ray", workers)
        assert num_workers == workers
        assert numerics == plan("local", workers)[1]
        assert ray_settings == RaySettings(None, float(numerics.threads), 0.0)


def test_on_a_cluster_a_trial_has_one_cpu_by_default_and_as_many_threads_as_cpus() -> None:
    for cpus, threads in ((None, 1), (0.5, 1), (2.0, 2), (3.5, 3)):
        num_workers, numerics, ray_settings = plan("ray", 1, address="10.0.0.1:6379", cpus=cpus)
        assert (num_workers, numerics.threads) == (1, threads)
        assert ray_settings == RaySettings("10.0.0.1:6379", cpus or 1.0, 0.0)


def test_gpus_of_trials_select_cuda_even_if_the_driver_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    _, numerics, ray_settings = plan("ray", device="auto", address="auto", gpus=0.25)
    assert (numerics.device, numerics.dtype) == ("cuda", "bfloat16")
    assert ray_settings == RaySettings("auto", 1.0, 0.25)
    with pytest.raises(UsageError, match="CUDA"):
        plan("ray", device="cuda", address="auto")


def test_a_trial_on_a_gpu_reserves_all_of_it_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    _, numerics, ray_settings = plan("ray", device="auto")
    assert (numerics.device, numerics.dtype) == ("cuda", "float32")
    assert ray_settings == RaySettings(None, 1.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ({"engine": "rya"}, ["'rya'", "'ray'"]),
        ({"engine": "local", "address": "a:1"}, ["--address", "--engine ray"]),
        ({"engine": "local", "cpus": 2.0}, ["--cpus-per-trial", "--engine ray"]),
        ({"engine": "local", "gpus": 0.5}, ["--gpus-per-trial", "--engine ray"]),
        ({"address": "ray://a:10001"}, ["--address", "HOST:PORT", "auto", "'ray://a:10001'"]),
        ({"address": "head"}, ["HOST:PORT", "'head'"]),
        ({"device": "cuda:1"}, ["--device cuda:1", "use --device cuda "]),
        ({"device": "cpu", "gpus": 0.5}, ["--gpus-per-trial 0.5", "--device cpu"]),
    ],
    ids=str,
)
def test_wrong_usage_is_one_line(arguments: dict[str, Any], facts: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        plan(**arguments)
    message = str(raised.value)
    assert all(fact in message for fact in facts) and "\n" not in message, message


def test_a_missing_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    with pytest.raises(UsageError, match=r"pip install 'codenas\[ray\]'"):
        plan()


def test_ray_is_imported_only_for_its_engine() -> None:
    code = "import sys, nas.search.plan as plan; plan.plan_search(plan.SearchOptions('tiny')); "
    output = subprocess.run(
        [sys.executable, "-c", code + "print('ray' in sys.modules)"], capture_output=True, text=True, check=True
    ).stdout
    assert output == "False\n"


@pytest.mark.parametrize(
    ("cpus", "gpus", "node", "capacity"),
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
def test_the_scarcest_resource_of_a_node_decides_its_capacity(
    cpus: float, gpus: float, node: dict[str, float], capacity: int
) -> None:
    assert RaySettings(None, cpus, gpus).capacity(node) == capacity
