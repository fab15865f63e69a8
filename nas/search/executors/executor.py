"""Executors of a search's tasks, the loop that keeps one busy, and the simplest one: this process."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from nas.errors import CacheError, CheckpointError, CodenasError, CorpusError, StudyError
from nas.system.files import NO_SPACE

Task = Callable[[], Any]


@dataclass(frozen=True)
class TaskResult:
    """The value that a task returned, or the line that says why it returned none."""

    key: Hashable
    value: Any = None
    error: str | None = None


class Executor(Protocol):
    """Runs a limited number of tasks at once: a WorkerPool, a RayPool, or this process."""

    @property
    def num_free(self) -> int:
        """Number of tasks that can be submitted now."""

    def submit(self, key: Hashable, task: Task) -> None:
        """Start `task`; `num_free` must not be 0."""

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        """Return the results of tasks that ended, at least one unless `timeout` seconds passed."""


def run_tasks(executor: Executor, tasks: Iterable[tuple[Hashable, Task] | None]) -> Iterator[TaskResult]:
    """Run `tasks` on `executor` and yield each result as it arrives.

    `tasks` is read lazily: each pair of a key and a task is taken only when the executor has room for it, so a
    generator can decide at the last moment what comes next, or end at a deadline. It may yield None where the next
    task depends on a result that has not arrived; it is asked again after the caller has handled the next results.
    Ends when nothing is running and `tasks` has ended or yields None.

    Raises what `executor.wait` raises. A task that fails does not: its result has an `error` and no `value`.

        for result in run_tasks(pool, ((job.name, partial(run, job)) for job in jobs)):
            if result.error:
                raise StudyError(f"{result.key} failed: {result.error}")
            keep(result.value)
    """
    upcoming = iter(tasks)
    num_running = 0
    while True:
        while executor.num_free and (task := next(upcoming, None)):
            executor.submit(*task)
            num_running += 1
        if not num_running:
            return
        for result in executor.wait():
            num_running -= 1
            yield result


class InProcess:
    """Runs one task at a time in this process, when it is waited for: for tasks that take no time."""

    def __init__(self) -> None:
        self._submitted: tuple[Hashable, Task] | None = None

    @property
    def num_free(self) -> int:
        """1, or 0 when a task was submitted."""
        return int(self._submitted is None)

    def submit(self, key: Hashable, task: Task) -> None:
        """Keep `task` until `wait` runs it."""
        assert self._submitted is None, "there is one worker"
        self._submitted = key, task

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        """Run the submitted task now, however long it takes."""
        assert self._submitted is not None, "nothing was submitted"
        (key, task), self._submitted = self._submitted, None
        return [result_from(key, *attempt(task))]


def attempt(task: Task) -> tuple[str, Any]:
    """Run `task` and return what happened: a kind and its content, both plain enough to send to another process.

    ("value", what it returned), ("error", why it failed), or ("cannot work", what is wrong with this machine or the
    data, so that the task is not to blame and others would fail too).
    """
    try:
        return "value", task()
    except (CacheError, CheckpointError, CorpusError) as error:
        return "cannot work", str(error)
    except CodenasError as error:
        return "error", str(error)
    except OSError as error:
        if error.errno in NO_SPACE:
            advice = "free some space and run the same command again; finished trials are kept"
            return "cannot work", f"{error.strerror}: {error.filename or 'writing'}; {advice}"
        return "error", f"{type(error).__name__}: {error}"
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        return "error", f"{type(error).__name__}: {first_line}"


def result_from(key: Hashable, kind: str, content: Any) -> TaskResult:
    """Return what `attempt` gave as a result; raise StudyError for "cannot work"."""
    if kind == "cannot work":
        raise StudyError(content)
    return TaskResult(key, value=content) if kind == "value" else TaskResult(key, error=content)
