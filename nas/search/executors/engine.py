"""Where the work of a search is done: in processes of this machine, or on the nodes of a Ray cluster."""

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
from nas.search.executors.ray_options import RaySettings
from nas.search.executors.workers import WorkerPool
from nas.search.trials import Trials
from nas.system.machine import available_cores
from nas.training.numerics import Numerics, plan_numerics
from nas.trial.task import RunRung

ENGINES = ("local", "ray")
DEFAULT_ENGINE = "local"
RunTrials = Callable[[Trials, RunRung, Any, Budget], bool]
"""`nas.search.driver.run_trials`, or what does the same with a pool of its own kind."""


def plan_engine(
    engine: str, num_workers: int | None, device: str, of_ray: Mapping[str, Any]
) -> tuple[int | None, Numerics, RaySettings | None]:
    """Workers, numerics and what is asked of Ray, of which None stands for the local engine.

    `of_ray` holds the values of the flags that are for Ray alone, None where they were not given. UsageError for an
    engine that is not there, for flags that do not go together, and where Ray is not installed.
    """
    if engine not in ENGINES:
        raise UsageError(unknown_name("engine", engine, ENGINES))
    if engine == "ray":
        return num_workers, *_plan_on_ray(num_workers, device, *of_ray.values())
    if unused := [flag for flag, value in of_ray.items() if value is not None]:
        raise UsageError(f"{unused[0]} is for --engine ray; add that, or leave it out")
    numerics = plan_numerics(device, threads=1)
    cores = available_cores()
    num_workers = num_workers or (1 if numerics.device.startswith("cuda") else cores)
    return num_workers, numerics.model_copy(update={"threads": max(1, cores // num_workers)}), None


def _plan_on_ray(
    num_workers: int | None, device: str, address: str | None, cpus: float | None, gpus: float | None
) -> tuple[Numerics, RaySettings]:
    """On this machine alone workers share its cores as they do without Ray, so that records are the same."""
    import_ray()
    if address is not None and not re.fullmatch(r"auto|[^/\s]+:\d+", address):
        raise UsageError(
            f"--address is HOST:PORT, or auto on a machine of the cluster, found '{address}'; "
            "a search does not go through a Ray client"
        )
    if ":" in device:
        raise UsageError(f"Ray chooses among the GPUs, found --device {device}; use --device cuda")
    if gpus and device == "cpu":
        raise UsageError(f"--gpus-per-trial {gpus:g} would lie idle with --device cpu; leave one of them out")
    share = available_cores() // num_workers if num_workers and address is None else 1
    cpus = cpus or float(max(1, share))
    numerics = plan_numerics("cuda" if gpus else device, threads=max(1, int(cpus)), remote_gpu=gpus is not None)
    return numerics, RaySettings(address, cpus, gpus or float(numerics.device == "cuda"))


def import_ray() -> None:
    """UsageError where it is not installed."""
    # Read by Ray as it is imported: what it tells of lost workers would go to stdout, in pages; we tell it in a line.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    try:
        importlib.import_module("ray.tune")
    except ImportError:
        raise UsageError("--engine ray needs Ray Tune: pip install 'codenas[ray]'") from None


def engine_of(
    ray_settings: RaySettings | None, num_workers: int | None, initialise: Callable[[], object]
) -> tuple[RunTrials, AbstractContextManager[Executor]]:
    """What runs trials, and the pool to open for it and for the verdict."""
    if ray_settings is None:
        assert num_workers is not None
        return run_trials, WorkerPool(num_workers, initialise)
    import_ray()
    from nas.search.executors.ray_pool import RayPool
    from nas.search.executors.ray_tune import run_trials_by_ray

    return run_trials_by_ray, RayPool(ray_settings, num_workers, initialise)
