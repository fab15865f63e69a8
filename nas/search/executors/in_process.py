"""An executor without other processes: for objectives that take no time, such as a table of known results."""

from __future__ import annotations

from collections.abc import Hashable

from nas.search.executors.workers import Ended, Task, answer


class InProcess:
    """One task at a time, done when it is waited for."""

    def __init__(self) -> None:
        self._waiting: tuple[Hashable, Task] | None = None

    @property
    def num_free(self) -> int:
        return int(self._waiting is None)

    def submit(self, key: Hashable, task: Task) -> None:
        assert self._waiting is None, "there is one worker"
        self._waiting = key, task

    def wait(self, timeout: float | None = None) -> list[Ended]:
        """The task that was submitted, done now, however long it takes."""
        assert self._waiting is not None, "nothing was submitted"
        (key, task), self._waiting = self._waiting, None
        return [answer(key, task)]
