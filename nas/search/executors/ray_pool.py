"""A pool of workers on the nodes of a Ray cluster, and how lost work is retried there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Self

import ray
from ray.exceptions import RayError

from nas.errors import UsageError
from nas.search.executors.executor import Task, TaskResult, attempt, result_from
from nas.search.executors.ray_connection import connected
from nas.search.executors.ray_settings import RaySettings

MAX_LOSSES = 2
"""How often a task whose process was lost is retried, before the task is taken to be the cause."""


class RayPool:
    """Runs tasks like a WorkerPool, on the nodes of a cluster.

    Use as a context manager: leaving it ends what is running, and the cluster if it was started here.
    """

    def __init__(self, ray_settings: RaySettings, num_workers: int | None, initialise: Callable[[], object]) -> None:
        """Run at most `num_workers` tasks at once, None: as many as fit on the nodes; `initialise` before each task."""
        self.ray_settings, self.initialise = ray_settings, initialise
        self._max_workers = num_workers
        self._running: dict[ray.ObjectRef[Any], Hashable] = {}
        self.is_shared_connection = ray.is_initialized()
        """Whether this process stays connected when it leaves the pool, so that actors must be ended one by one."""
        self._connection = connected(ray_settings.address)

    def __enter__(self) -> Self:
        """Connect; raise StudyError if the cluster cannot be joined, UsageError if no node of it can hold a trial."""
        self._connection.__enter__()
        if not self._cluster_capacity:
            nodes = "; ".join(f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in _nodes())
            self.__exit__(None, None, None)
            raise UsageError(f"no node of the Ray cluster has the {self.ray_settings} of a trial; its nodes: {nodes}")
        return self

    def __exit__(self, *exception: Any) -> None:
        for reference in self._running:
            ray.cancel(reference, force=True)
        self._connection.__exit__(*exception)

    @property
    def capacity(self) -> int:
        """Number of trials that may run at once. It follows nodes that join and leave, and is 1 if all are lost."""
        capacity = max(1, self._cluster_capacity)
        return capacity if self._max_workers is None else min(self._max_workers, capacity)

    @property
    def num_free(self) -> int:
        """Number of tasks that can be submitted now."""
        return max(0, self.capacity - len(self._running))

    def submit(self, key: Hashable, task: Task) -> None:
        """Run `task` where there is room, and retry it if its process or node is lost."""
        settings = self.ray_settings
        remote = ray.remote(num_cpus=settings.cpus, num_gpus=settings.gpus, max_retries=MAX_LOSSES)(_initialise_and_run)
        self._running[remote.remote(self.initialise, task)] = key

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        """Return the results of tasks that ended, at least one unless `timeout` seconds passed.

        Raises StudyError when a worker cannot read its data or write its results, which is not the task's fault.
        """
        done, _ = ray.wait(list(self._running), timeout=timeout)
        return [self._collect(reference) for reference in done]

    def _collect(self, reference: ray.ObjectRef[Any]) -> TaskResult:
        key = self._running.pop(reference)
        try:
            kind, content = ray.get(reference)
        except RayError as error:
            return TaskResult(key, error=loss_error(loss_cause(str(error))))
        return result_from(key, kind, content)

    @property
    def _cluster_capacity(self) -> int:
        return sum(map(self.ray_settings.capacity, _nodes()))


def loss_cause(text: str) -> str:
    """Return in one line why a process was lost, from the page that Ray writes about it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["Ray gives no reason"]
    line = next((line for line in lines if " because " in line), lines[0])
    cause = lines[-1] if "creation task" in line else line.partition(" because ")[2] or line
    return cause.partition(". ")[0].rstrip(".")


def is_node_loss(cause: str) -> bool:
    """Return whether a node was lost, so that the loss does not count against the task."""
    return "its node " in cause or " is unavailable" in cause


def loss_error(cause: str) -> str:
    """Return the error of a task that was given up after too many losses."""
    return f"its worker process was lost {MAX_LOSSES + 1} times ({cause})"


def _nodes() -> list[dict[str, float]]:
    """Return the resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def _initialise_and_run(initialise: Callable[[], object], task: Task) -> tuple[str, Any]:
    initialise()
    return attempt(task)
