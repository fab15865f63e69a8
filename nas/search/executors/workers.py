"""Worker processes that are reused for many tasks, one at a time, and whose death does not end the search."""

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
        """Start the processes; each runs `initialise` before its first task. It and all tasks must be picklable."""
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
        """Number of workers without a task."""
        return sum(worker.key is None for worker in self._workers)

    def submit(self, key: Hashable, task: Task) -> None:
        """Send `task` to a free worker; there must be one."""
        worker = next(worker for worker in self._workers if worker.key is None)
        if not worker.process.is_alive():
            worker = self._replace(worker)
        worker.key = key
        worker.connection.send(task)

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        """Return the results of tasks that ended, at least one unless `timeout` seconds passed; replace dead workers.

        Raises StudyError when a worker cannot read its data or write its results, which is not the task's fault.
        """
        busy = [worker for worker in self._workers if worker.key is not None]
        watched: list[Any] = [item for worker in busy for item in (worker.connection, worker.process.sentinel)]
        ready = wait(watched, timeout)
        return [
            self._collect(worker) for worker in busy if worker.connection in ready or worker.process.sentinel in ready
        ]

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
        connection, worker_end = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(worker_end, self._initialise), daemon=True)
        with _interrupts_blocked():
            process.start()
        worker_end.close()
        return _Worker(process, connection)

    def _replace(self, dead: _Worker) -> _Worker:
        dead.connection.close()
        worker = self._start()
        self._workers[self._workers.index(dead)] = worker
        return worker


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C, also in a process that is started here: it imports for seconds before it can ignore the signal."""
    resource_tracker.ensure_running()  # starting a process starts it too, which would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, initialise: Callable[[], object]) -> None:
    """Run in the worker: receive tasks and send results until the driver closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the driver decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    initialise()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(attempt(task))


def _exit_with_parent() -> None:
    """Exit when the driver is gone: one that was killed cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
