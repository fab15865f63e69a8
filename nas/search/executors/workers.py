"""Worker processes that stay warm, take one task at a time, and may die without taking the search along."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from nas.search.executors.executor import Task, TaskResult, attempt, result_from


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    key: Hashable | None = None


class WorkerPool:
    """A fixed number of spawned processes. Use as a context manager: leaving it kills them at once."""

    def __init__(self, num_workers: int, initialise: Callable[[], object]) -> None:
        """`initialise` runs once in each new process, before its first task; both must be picklable."""
        self._context = multiprocessing.get_context("spawn")
        self._initialise = initialise
        self._workers = [self._start() for _ in range(num_workers)]

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()

    @property
    def num_free(self) -> int:
        return sum(worker.key is None for worker in self._workers)

    def submit(self, key: Hashable, task: Task) -> None:
        """Give `task` to a free worker; there must be one."""
        worker = next(one for one in self._workers if one.key is None)
        if not worker.process.is_alive():
            worker = self._replace(worker)
        worker.key = key
        worker.connection.send(task)

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        """The tasks that ended, at least one unless `timeout` seconds passed; a dead worker is replaced.

        Raises StudyError when a worker cannot read its data or write its results: that is no fault of its task.
        """
        busy = [worker for worker in self._workers if worker.key is not None]
        watched: list[Any] = [one for worker in busy for one in (worker.connection, worker.process.sentinel)]
        ready = wait(watched, timeout)
        return [self._collect(one) for one in busy if one.connection in ready or one.process.sentinel in ready]

    def _collect(self, worker: _Worker) -> TaskResult:
        key, worker.key = worker.key, None
        assert key is not None
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            code = worker.process.exitcode or 0
            self._replace(worker)
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            hint = "; out of memory?" if code == -signal.SIGKILL else ""
            return TaskResult(key, error=f"its worker process was lost ({how}{hint})")
        return result_from(key, kind, content)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._initialise), daemon=True)
        with _interrupts_held():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _replace(self, dead: _Worker) -> _Worker:
        dead.connection.close()
        fresh = self._start()
        self._workers[self._workers.index(dead)] = fresh
        return fresh


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Within it Ctrl-C waits. A process started here inherits that: it imports for seconds before it can ignore any."""
    resource_tracker.ensure_running()  # its start, which a process's start brings along, would end the wait
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, initialise: Callable[[], object]) -> None:
    """A worker's life: tasks in, values or error lines out, until the driver goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    initialise()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(attempt(task))


def _die_with_parent() -> None:
    """A driver that was killed cannot stop its workers: they watch it themselves."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
