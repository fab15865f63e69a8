"""Fresh processes for measurements: no earlier measurement is in their memory, and their threads are set first."""

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
    """Call `function` for each tuple in a process of its own, with the threads of a trial, and return the results."""
    pool = ProcessPoolExecutor(
        at_once,
        mp_context=get_context("spawn"),
        initializer=plan_numerics(DEVICE, threads).apply,
        max_tasks_per_child=1,
    )
    with pool:
        futures = [pool.submit(function, *values) for values in arguments]
        return [future.result() for future in futures]


def in_fresh_process(function: Callable[..., Any], *arguments: Any, threads: int) -> Any:
    return in_fresh_processes(function, [arguments], threads=threads)[0]
