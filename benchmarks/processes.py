"""Fresh processes: nothing measured before is in their memory, and their threads are set before the first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from nas.training.numerics import plan_numerics

DEVICE = "cpu"


def in_fresh_processes(
    function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], *, threads: int, at_once: int = 1
) -> list[Any]:
    """What `function` gives for each tuple, each in a process of its own, set up as that of a trial on `threads`."""
    pool = ProcessPoolExecutor(
        at_once,
        mp_context=get_context("spawn"),
        initializer=plan_numerics(DEVICE, threads).apply,
        max_tasks_per_child=1,
    )
    with pool:
        waiting = [pool.submit(function, *one) for one in arguments]
        return [one.result() for one in waiting]


def in_fresh_process(function: Callable[..., Any], *arguments: Any, threads: int) -> Any:
    return in_fresh_processes(function, [arguments], threads=threads)[0]
