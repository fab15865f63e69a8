"""The engine of a search: worker processes on this machine, or the nodes of a Ray cluster."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from nas.errors import UsageError, unknown_name
from nas.search.driver import Budget, run_trials
from nas.search.executors.executor import Executor
from nas.search.executors.ray_settings import RaySettings
from nas.search.executors.workers import WorkerPool
from nas.search.trials import Trials
from nas.system.machine import available_cores
from nas.training.numerics import Numerics, plan_numerics
from nas.trial.task import RunRung

ENGINES = ("local", "ray")
DEFAULT_ENGINE = "local"
RunTrials = Callable[[Trials, RunRung, Any, Budget], bool]
"""The signature of `nas.search.driver.run_trials`, with the kind of pool that the engine needs."""


def plan_engine(
    engine: str, num_workers: int | None, device: str, ray_flags: Mapping[str, Any]
) -> tuple[int | None, Numerics, RaySettings | None]:
    """Return the number of workers, their numerics, and the settings of Ray, None for the local engine.

    `ray_flags` maps the flags --address, --cpus-per-trial and --gpus-per-trial to their values, None if not given.
    Raises UsageError for an unknown engine, for contradictory flags, and if Ray is needed but not installed.
    """
    if engine not in ENGINES:
        raise UsageError(unknown_name("engine", engine, ENGINES))
    if engine == "ray":
        return num_workers, *_plan_on_ray(num_workers, device, *ray_flags.values())
    if unused := [flag for flag, value in ray_flags.items() if value is not None]:
        raise UsageError(f"{unused[0]} has an effect only with --engine ray; add that, or leave it out")
    numerics = plan_numerics(device, threads=1)
    cores = available_cores()
    num_workers = num_workers or (1 if numerics.device.startswith("cuda") else cores)
    return num_workers, numerics.model_copy(update={"threads": max(1, cores // num_workers)}), None


def _plan_on_ray(
    num_workers: int | None, device: str, address: str | None, cpus: float | None, gpus: float | None
) -> tuple[Numerics, RaySettings]:
    """Plan like the local engine on this machine alone, so that records are equal; on a cluster by CPUs of a trial."""
    import_ray()
    if address is not None and not re.fullmatch(r"auto|[^/\s]+:\d+", address):
        raise UsageError(
            f"--address must be HOST:PORT, or auto on a machine of the cluster, found '{address}'; "
            "a search does not support Ray clients"
        )
    if ":" in device:
        raise UsageError(f"Ray assigns the GPUs, so use --device cuda instead of --device {device}")
    if gpus and device == "cpu":
        raise UsageError(f"--gpus-per-trial {gpus:g} would not be used with --device cpu; leave one of them out")
    share = available_cores() // num_workers if num_workers and address is None else 1
    cpus = cpus or float(max(1, share))
    numerics = plan_numerics("cuda" if gpus else device, threads=max(1, int(cpus)), remote_gpu=gpus is not None)
    return numerics, RaySettings(address, cpus, gpus or float(numerics.device == "cuda"))


def import_ray() -> None:
    """Import Ray Tune; raise UsageError if it is not installed."""
    # Ray reads this at import. Its pages about lost workers would go to stdout; we report each loss in one line.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    try:
        importlib.import_module("ray.tune")
    except ImportError:
        raise UsageError("--engine ray needs Ray Tune: pip install 'codenas[ray]'") from None


def create_engine(
    ray_settings: RaySettings | None, num_workers: int | None, initialise: Callable[[], object]
) -> tuple[RunTrials, AbstractContextManager[Executor]]:
    """Return the function that runs trials, and the pool to open for it and for the verdict."""
    if ray_settings is None:
        assert num_workers is not None
        return run_trials, WorkerPool(num_workers, initialise)
    import_ray()
    from nas.search.executors.ray_pool import RayPool
    from nas.search.executors.ray_tune import run_trials_by_ray

    return run_trials_by_ray, RayPool(ray_settings, num_workers, initialise)
