"""A Ray cluster, joined or started here, and tasks on its nodes."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Self

import ray
from ray.exceptions import RayError

from nas.errors import StudyError, UsageError
from nas.study.on_ray import OnRay
from nas.study.workers import Ended, Task, attempt, ended_of

MOST_LOSSES = 2
"""How often work is begun again whose process was lost, before it is given up as the cause of that."""
_PATIENCE_SECONDS = 20
_NAMESPACE = "codenas"
_OBJECT_STORE_BYTES = 100 << 20
"""What passes through it are records; Ray wants 75 MiB at least."""


class RayPool:
    """Takes tasks as a WorkerPool does, and runs them on the nodes of a cluster.

    Use as a context manager: leaving it ends what is running, and the cluster where it was started here. A process
    that is connected to a cluster already stays so.
    """

    def __init__(self, on_ray: OnRay, num_workers: int | None, initialise: Callable[[], object]) -> None:
        """At most `num_workers` at once, None: as many as the nodes hold. `initialise` runs before each task."""
        self.on_ray, self.initialise = on_ray, initialise
        self._most = num_workers
        self._running: dict[ray.ObjectRef[Any], Hashable] = {}
        self._session: str | None = None
        self._connected_here = False

    def __enter__(self) -> Self:
        """Raises StudyError where the cluster cannot be joined, UsageError where no node of it holds a trial."""
        if not ray.is_initialized():
            self._connect()
        try:
            if not self._fitting:
                nodes = "; ".join(f"{one.get('CPU', 0):g} CPUs, {one.get('GPU', 0):g} GPUs" for one in _nodes())
                raise UsageError(f"no node of the Ray cluster has the {self.on_ray} of a trial; its nodes: {nodes}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for one in self._running:
            ray.cancel(one, force=True)
        if self._connected_here:
            ray.shutdown()
        if self._session is not None:
            shutil.rmtree(self._session, ignore_errors=True)

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
        remote = ray.remote(num_cpus=self.on_ray.cpus, num_gpus=self.on_ray.gpus, max_retries=MOST_LOSSES)(_do)
        self._running[remote.remote(self.initialise, task)] = key

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """The tasks that ended, at least one unless `timeout` seconds passed.

        Raises StudyError when a worker cannot read its data or write its results: that is no fault of its task.
        """
        done, _ = ray.wait(list(self._running), timeout=timeout)
        return [self._collect(one) for one in done]

    def _collect(self, reference: ray.ObjectRef[Any]) -> Ended:
        key = self._running.pop(reference)
        try:
            kind, content = ray.get(reference)
        except RayError as error:
            return Ended(key, error=given_up(cause_of_loss(str(error))))
        return ended_of(key, kind, content)

    @property
    def _fitting(self) -> int:
        return sum(map(self.on_ray.room, _nodes()))

    def _connect(self) -> None:
        """Ray's own handler of SIGTERM would take the place of ours."""
        address = self.on_ray.address
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL", "namespace": _NAMESPACE}
        if address is None:  # "local": without an address Ray would join whatever cluster it finds
            settings |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
        before = signal.getsignal(signal.SIGTERM)
        try:
            _reach(address)
            context: Any = ray.init(address=address or "local", **settings)
        except (OSError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            where = "start a Ray cluster" if address is None else f"join the Ray cluster at {address}"
            raise StudyError(f"cannot {where}: {reason}") from None
        finally:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGTERM, before)
        self._connected_here = True
        if address is None:
            self._session = context.address_info["session_dir"]


def _reach(address: str | None) -> None:
    """OSError where nobody answers at HOST:PORT: Ray would try for ever."""
    if address is not None and ":" in address:
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_SECONDS).close()


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
    return f"its worker process was lost {MOST_LOSSES + 1} times ({cause})"


def _nodes() -> list[dict[str, float]]:
    """The resources of those alive."""
    return [one["Resources"] for one in ray.nodes() if one["Alive"]]  # type: ignore[no-untyped-call]


def _do(initialise: Callable[[], object], task: Task) -> tuple[str, Any]:
    initialise()
    return attempt(task)
