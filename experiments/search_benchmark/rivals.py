"""The ways to search that are set beside each other on a table, each as a list of what it paid for, in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from experiments.search_benchmark.replayed import GRID, Paid, Rival, Trace
from experiments.search_benchmark.results_table import Cell, Table, by_dimension
from experiments.search_benchmark.syne_tune_rival import NAME, is_installed, mo_asha
from nas.search.driver import Budget
from nas.search.objectives import DEFAULT_OBJECTIVES
from nas.search.proposals.samplers import chosen_sampler
from nas.search.references import compute_optimal_params
from nas.search.run_study import run_study
from nas.training.batches import derived_seed

_POPULATION, _TOURNAMENT = 10, 3
TWO_OBJECTIVES = ("val_bpb", "collapse_rate")


def _study(sampler: str, *, rungs: bool, objectives: tuple[str, ...] = ("fitness",)) -> Rival:
    def search(table: Table, seed: int, flops: float) -> Trace:
        space = table.with_rungs(table.space.training.num_rungs if rungs else 1)
        result = run_study(
            space,
            table.score,
            Budget(train_flops=flops),
            seed=seed,
            sampler=sampler,
            objectives=objectives,
            vocabulary_sizes=table.vocabulary_sizes,
        )
        top = space.training.num_rungs - 1
        results = sorted((rung.order, one, rung) for one in result.records for rung in one.rungs)
        spent, trace = 0.0, []
        for _, record, rung in results:
            spent += rung.spent_flops
            trace.append(Paid(spent, table.cells[record.architecture.id], rung.rung == top))
        return trace

    return search


def _in_order(key: Callable[[Cell, Table], float]) -> Rival:
    def search(table: Table, seed: int, flops: float) -> Trace:
        """Equal ones in an order that the seed draws."""
        rng = np.random.default_rng(derived_seed("order", seed))
        cells = list(table.cells.values())
        rng.shuffle(cells)
        return _trained(sorted(cells, key=lambda one: key(one, table)), table, flops)

    return search


def _most_parameters(cell: Cell, table: Table) -> float:
    return -cell.candidate.architecture.non_embedding_params


def _optimal_parameters(cell: Cell, table: Table) -> float:
    """How far from what is compute-optimal by the published law, in ratio."""
    size = cell.candidate.architecture.non_embedding_params
    return abs(math.log(size / compute_optimal_params(table.top_flops)))


def _evolution(table: Table, seed: int, flops: float) -> Trace:
    """Regularised evolution (Real et al. 2019, arXiv 1802.01548): the oldest dies, the winner of a tournament breeds.

    A child differs from its parent in one dimension, and is one that was not trained yet where there is any such.
    """
    rng = np.random.default_rng(derived_seed("evolution", seed))
    grid = by_dimension(table.cells, GRID)
    values = [sorted({point[index] for point in grid}, key=str) for index in range(len(GRID))]

    def lives() -> Iterable[Cell]:
        seen: set[tuple[object, ...]] = set()
        points = list(grid)
        population: deque[tuple[object, ...]] = deque(maxlen=_POPULATION)
        for index in rng.permutation(len(points))[:_POPULATION]:
            population.append(points[index])
            seen.add(points[index])
            yield grid[points[index]]
        while len(seen) < len(grid):
            contest = [population[index] for index in rng.choice(len(population), _TOURNAMENT, replace=False)]
            parent = min(contest, key=lambda one: table.fitness(grid[one].rungs[-1]))
            children = [
                (*parent[:index], value, *parent[index + 1 :])
                for index in range(len(GRID))
                for value in values[index]
                if value != parent[index]
            ]
            fresh = [one for one in children if one in grid and one not in seen]
            if not fresh:
                fresh = [one for one in points if one not in seen]
            child = fresh[rng.integers(len(fresh))]
            population.append(child)
            seen.add(child)
            yield grid[child]

    return _trained(lives(), table, flops)


def _trained(cells: Iterable[Cell], table: Table, flops: float) -> Trace:
    """Each trained to the end at once, as long as the FLOPs last."""
    trace: Trace = []
    for cell in cells:
        if len(trace) * table.top_flops >= flops:
            break
        trace.append(Paid((len(trace) + 1) * table.top_flops, cell, True))
    return trace


OURS = "codenas"
RIVALS: dict[str, Rival] = {
    OURS: _study(chosen_sampler(None, DEFAULT_OBJECTIVES), rungs=True),
    "random": _study("random", rungs=False),
    "most parameters first": _in_order(_most_parameters),
    "nearest to the optimal size first": _in_order(_optimal_parameters),
    "regularised evolution": _evolution,
    "Optuna TPE": _study("tpe", rungs=False),
    "Optuna GP": _study("gp", rungs=False),
    "Optuna NSGA-II": _study("nsga2", rungs=False),
    "successive halving": _study("random", rungs=True),
    "TPE with rungs": _study("tpe", rungs=True),
    "GP with rungs": _study("gp", rungs=True),
}
"""One objective, fitness."""
TWO_OBJECTIVE_RIVALS: dict[str, Rival] = {
    OURS: _study(chosen_sampler(None, TWO_OBJECTIVES), rungs=False, objectives=TWO_OBJECTIVES),
    "random": _study("random", rungs=False, objectives=TWO_OBJECTIVES),
    "Optuna TPE": _study("tpe", rungs=False, objectives=TWO_OBJECTIVES),
    "Optuna NSGA-II": _study("nsga2", rungs=False, objectives=TWO_OBJECTIVES),
    "successive halving": _study("random", rungs=True, objectives=TWO_OBJECTIVES),
    "TPE with rungs": _study("tpe", rungs=True, objectives=TWO_OBJECTIVES),
    **({NAME: mo_asha} if is_installed() else {}),
}
"""Two, bits per byte and collapse rate, for the hypervolume. Ours is Optuna's GP, which won."""
