from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial

import pytest

from nas.errors import CacheError, StudyError
from nas.search.executors.executor import InProcess, Task, TaskResult, run_tasks


class Executor:
    """Runs up to `size` tasks, the last submitted first; `log` is what was done, in order."""

    def __init__(self, size: int) -> None:
        self.size, self.log = size, []
        self._running: list[tuple[Hashable, Task]] = []

    @property
    def num_free(self) -> int:
        return self.size - len(self._running)

    def submit(self, key: Hashable, task: Task) -> None:
        assert self.num_free
        self.log.append(f"submit {key}")
        self._running.append((key, task))

    def wait(self, timeout: float | None = None) -> list[TaskResult]:
        key, task = self._running.pop()
        self.log.append(f"end {key}")
        return [TaskResult(key, task())]


def fail(error: Exception) -> None:
    raise error


def test_all_tasks_run_and_free_places_are_filled_first() -> None:
    executor = Executor(2)
    results = list(run_tasks(executor, ((key, partial(str, key)) for key in (1, 2, 3))))
    assert results == [TaskResult(2, "2"), TaskResult(3, "3"), TaskResult(1, "1")]
    assert executor.log == ["submit 1", "submit 2", "end 2", "submit 3", "end 3", "end 1"]


def test_without_tasks_nothing_is_waited_for() -> None:
    executor = Executor(2)
    assert list(run_tasks(executor, [])) == []
    assert list(run_tasks(executor, iter([None]))) == []
    assert executor.log == []


def test_tasks_are_taken_only_when_there_is_room() -> None:
    taken = []

    def tasks() -> Iterator[tuple[Hashable, Task]]:
        for key in range(4):
            taken.append(key)
            yield key, partial(int, key)

    results = run_tasks(Executor(2), tasks())
    next(results)
    assert taken == [0, 1]
    next(results)
    assert taken == [0, 1, 2]


def test_a_result_may_lead_to_other_tasks() -> None:
    ready = [1]

    def tasks() -> Iterator[tuple[Hashable, Task] | None]:
        while True:
            key = ready.pop(0) if ready else None
            yield key and (key, partial(int, key))

    done = []
    for result in run_tasks(Executor(3), tasks()):
        done.append(result.value)
        ready += [2 * result.value, 2 * result.value + 1] if result.value < 4 else []
    assert sorted(done) == [1, 2, 3, 4, 5, 6, 7]


def test_this_process_runs_one_task_at_a_time_and_reports_failures() -> None:
    executor = InProcess()
    tasks = [("a", partial(int, "7")), ("b", partial(fail, ValueError("one\ntwo")))]
    assert list(run_tasks(executor, tasks)) == [TaskResult("a", 7), TaskResult("b", error="ValueError: one")]
    assert executor.num_free == 1


def test_a_machine_that_cannot_work_ends_the_loop() -> None:
    executor = InProcess()
    with pytest.raises(StudyError, match="cannot read data cache x"):
        list(run_tasks(executor, [("a", partial(fail, CacheError("cannot read data cache x"))), ("b", int)]))
    assert executor.num_free == 1
