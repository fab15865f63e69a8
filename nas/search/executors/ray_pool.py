"""A pool of workers on the nodes of a Ray cluster, and what becomes of work that is lost there."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Self

import ray
from ray.exceptions import RayError

from nas.errors import UsageError
from nas.search.executors.executor import Task, TaskResult, attempt, result_from
from nas.search.executors.ray_connection import connected
from nas.search.executors.ray_options import RaySettings

MAX_LOSSES = 2
"""How often work is begun again whose process was lost, before it is given up as the cause of that."""


class RayPool:
    """Takes tasks as a WorkerPool does, and runs them on the nodes of a cluster.

    Use as a context manager: leaving it ends what is running, and the cluster where it was started here.
    """

    def __init__(self, ray_settings: RaySettings, num_workers: int | None, initialise: Callable[[], object]) -> None:
        """At most `num_workers` at once, None: as many as the nodes hold. `initialise` runs before each task."""
        self.ray_settings, self.initialise = ray_settings, initialise
        self._most = num_workers
        self._running: dict[ray.ObjectRef[Any], Hashable] = {}
        self.is_connection_of_others = ray.is_initialized()
        """Whether this process stays connected when it leaves the pool: what runs for it must be ended one by one."""
        self._connection = connected(ray_settings.address)

    def __enter__(self) -> Self:
        """Raises StudyError where the cluster cannot be joined, UsageError where no node of it holds a trial."""
        self._connection.__enter__()
        if not self._fitting:
            nodes = "; ".join(f"{one.get('CPU', 0):g} CPUs, {one.get('GPU', 0):g} GPUs" for one in _nodes())
            self.__exit__(None, None, None)
            raise UsageError(f"no node of the Ray cluster has the {self.ray_settings} of a trial; its nodes: {nodes}")
        return self

    def __exit__(self, *exception: Any) -> None:
        for one in self._running:
            ray.cancel(one, force=True)
        self._connection.__exit__(*exception)

    @property
    def room(self) -> int:
        """Trials that may run at once. It follows the nodes that come and go; a lost cluster is waited for."""
        fitting = max(1, self._fitting)
        return fitting if self._most is None else min(self._most, fitting)

    @property
    def num_free(self) -> int:
        return max(0, self.room - len(self._running))

    def submit(self, key: Hashable, task: Task) -> None:
        """Run `task` where there is room; again, where its process or node is lost."""
        remote = ray.remote(num_cpus=self.ray_settings.cpus, num_gpus=self.ray_settings.gpus, max_retries=MAX_LOSSES)(
            _do
        )
        self._running[remote.remote(self.initialise, task)] = key

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        """The tasks that ended, at least one unless `timeout` seconds passed.

        Raises StudyError when a worker cannot read its data or write its results: that is no fault of its task.
        """
        done, _ = ray.wait(list(self._running), timeout=timeout)
        return [self._collect(one) for one in done]

    def _collect(self, reference: ray.ObjectRef[Any]) -> TaskResult:
        key = self._running.pop(reference)
        try:
            kind, content = ray.get(reference)
        except RayError as error:
            return TaskResult(key, error=given_up(cause_of_loss(str(error))))
        return result_from(key, kind, content)

    @property
    def _fitting(self) -> int:
        return sum(map(self.ray_settings.room, _nodes()))


def cause_of_loss(said: str) -> str:
    """Why a process was lost, in one line, of what Ray says in a page."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it does not say why"]
    line = next((line for line in lines if " because " in line), lines[0])
    cause = lines[-1] if "creation task" in line else line.partition(" because ")[2] or line
    return cause.partition(". ")[0].rstrip(".")


def is_of_node(cause: str) -> bool:
    """Whether a node is to blame, so that nothing is held against what ran there."""
    return "its node " in cause or " is unavailable" in cause


def given_up(cause: str) -> str:
    return f"its worker process was lost {MAX_LOSSES + 1} times ({cause})"


def _nodes() -> list[dict[str, float]]:
    """The resources of those alive."""
    return [one["Resources"] for one in ray.nodes() if one["Alive"]]  # type: ignore[no-untyped-call]


def _do(initialise: Callable[[], object], task: Task) -> tuple[str, Any]:
    initialise()
    return attempt(task)
