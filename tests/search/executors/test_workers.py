from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from nas.errors import CacheError, CheckpointError, CorpusError, StudyError, UsageError
from nas.search.executors.workers import WorkerPool


def nothing() -> None:
    pass


def fail(error: Exception) -> None:
    raise error


def unpicklable() -> object:
    return lambda: None


def load_slowly(mark: Path) -> Callable[[], None]:
    """Stand for the seconds of imports before any code of a worker runs in a spawned process."""
    mark.touch()
    time.sleep(1)
    return nothing


class SlowToLoad:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self) -> None:
        raise AssertionError("a process gets what load_slowly returns")

    def __reduce__(self) -> tuple[Callable[[Path], Callable[[], None]], tuple[Path]]:
        return load_slowly, (self.mark,)


@pytest.fixture
def pool() -> WorkerPool:
    with WorkerPool(1, nothing) as pool:
        yield pool


def run(pool: WorkerPool, task: object) -> object:
    pool.submit("key", task)
    (result,) = pool.wait(30)
    assert result.key == "key"
    return result.value if result.error is None else result.error


def test_a_worker_is_another_process_and_stays(pool: WorkerPool) -> None:
    first = run(pool, os.getpid)
    assert first != os.getpid()
    assert run(pool, os.getpid) == first


def test_nothing_is_reported_before_a_task_ends(pool: WorkerPool) -> None:
    pool.submit("slow", partial(time.sleep, 30))
    assert pool.num_free == 0
    assert pool.wait(0.2) == []


def test_a_dead_worker_is_replaced(pool: WorkerPool) -> None:
    first = run(pool, os.getpid)
    assert run(pool, partial(os.kill, first, signal.SIGTERM)) == "its worker process was lost (killed by SIGTERM)"
    assert run(pool, os.getpid) != first


def test_a_worker_that_died_while_it_was_free_is_replaced(pool: WorkerPool) -> None:
    first = run(pool, os.getpid)
    os.kill(int(str(first)), signal.SIGKILL)
    time.sleep(0.3)
    assert run(pool, os.getpid) != first


def test_an_interrupt_does_not_reach_a_worker_that_is_still_starting(tmp_path: Path) -> None:
    before = multiprocessing.active_children()
    with WorkerPool(1, SlowToLoad(tmp_path / "loading")) as pool:
        (process,) = (child for child in multiprocessing.active_children() if child not in before)
        while not (tmp_path / "loading").exists():
            time.sleep(0.01)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        assert run(pool, os.getpid) == process.pid
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_result_that_cannot_be_sent_costs_the_worker_and_not_the_pool(pool: WorkerPool) -> None:
    assert run(pool, unpicklable) == "its worker process was lost (exit code 1)"
    assert isinstance(run(pool, os.getpid), int)


def test_an_error_is_one_line(pool: WorkerPool) -> None:
    assert run(pool, partial(fail, ValueError("one\ntwo"))) == "ValueError: one"
    assert run(pool, partial(fail, ValueError())) == "ValueError: "
    assert run(pool, partial(fail, UsageError("ours"))) == "ours"
    assert run(pool, partial(fail, FileNotFoundError(2, "not there", "f"))) == (
        "FileNotFoundError: [Errno 2] not there: 'f'"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_ends_the_search_and_fails_no_trial(pool: WorkerPool, number: int) -> None:
    pool.submit("key", partial(fail, OSError(number, os.strerror(number), "weights")))
    with pytest.raises(StudyError, match=rf"{os.strerror(number)}: weights; free some space"):
        pool.wait(30)


def test_weights_that_cannot_be_written_end_the_search(pool: WorkerPool) -> None:
    pool.submit("key", partial(fail, CheckpointError("cannot write checkpoint w; free some space")))
    with pytest.raises(StudyError, match="cannot write checkpoint w"):
        pool.wait(30)


@pytest.mark.parametrize("error", [CacheError("cannot read data cache c"), CorpusError("the corpus is another one")])
def test_missing_data_end_the_search(pool: WorkerPool, error: Exception) -> None:
    pool.submit("key", partial(fail, error))
    with pytest.raises(StudyError, match=str(error)):
        pool.wait(30)


def test_leaving_the_pool_kills_a_busy_worker_at_once() -> None:
    started = time.monotonic()
    with WorkerPool(1, nothing) as pool:
        pid = run(pool, os.getpid)
        pool.submit("long", partial(time.sleep, 600))
    assert time.monotonic() - started < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(pid)), 0)
