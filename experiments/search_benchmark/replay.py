"""Searches replayed on a table, in worker processes, by name and seed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from experiments.search_benchmark.methods import METHODS, OURS, TWO_OBJECTIVE_METHODS
from experiments.search_benchmark.results_table import Table, Trace
from nas.errors import StudyError
from nas.search.executors.executor import run_tasks
from nas.search.executors.workers import WorkerPool

_REPORT_EVERY = 50


@dataclass(frozen=True)
class Replays:
    """The traces of all searches: by name, one for each seed."""

    budget: int
    """FLOPs of each search, in full trainings."""
    single: dict[str, list[Trace]]
    with_swapped_seeds: dict[str, list[Trace]]
    """The searches of `single` on the table with the seeds exchanged."""
    double: dict[str, list[Trace]]
    """Searches with two objectives."""


def replay_all(
    table: Table, names: Iterable[str], *, with_double: bool, seeds: int, gp_seeds: int, budget: int, num_workers: int
) -> Replays:
    """Replay the searches of these `names` on the table, on the swapped one, and `with_double` those of two objectives.

    Each with `seeds` seeds, but those with a Gaussian process, which are slow, with `gp_seeds`. Raises StudyError when
    a search failed.
    """
    counts = {name: gp_seeds if "GP" in name else seeds for name in names}
    double = {name: gp_seeds if name == OURS else seeds for name in TWO_OBJECTIVE_METHODS} if with_double else {}
    return Replays(
        budget=budget,
        single=_replay(counts, True, table, budget, num_workers),
        with_swapped_seeds=_replay(counts, True, table.with_swapped_seeds(), budget, num_workers),
        double=_replay(double, False, table, budget, num_workers) if with_double else {},
    )


def _replay(
    counts: Mapping[str, int], is_single: bool, table: Table, budget: int, num_workers: int
) -> dict[str, list[Trace]]:
    keys = [(name, seed) for name in counts for seed in range(counts[name])]
    tasks = (((name, seed), partial(_search, name, is_single, table, seed, budget)) for name, seed in keys)
    traces: dict[object, Trace] = {}
    with WorkerPool(num_workers, _nothing) as pool:
        for ended in run_tasks(pool, tasks):
            if ended.error:
                raise StudyError(f"the search {ended.key} failed: {ended.error}")
            traces[ended.key] = ended.value
            if len(traces) % _REPORT_EVERY == 0:
                print(f"{len(traces)} of {len(keys)} searches", file=sys.stderr, flush=True)
    return {name: [traces[name, seed] for seed in range(counts[name])] for name in counts}


def _search(name: str, is_single: bool, table: Table, seed: int, budget: int) -> Trace:
    """Run one search in a worker: by name, since functions made by other functions cannot be sent there."""
    methods = METHODS if is_single else TWO_OBJECTIVE_METHODS
    return methods[name](table, seed, budget * table.top_flops)


def _nothing() -> None:
    """Initialise a worker that needs no preparation."""
