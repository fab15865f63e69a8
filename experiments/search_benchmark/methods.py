"""The ways to search that are compared on a table, each as a list of what it paid for, in order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from experiments.search_benchmark.results_table import Cell, SearchMethod, Step, Table, Trace, grid_values
from experiments.search_benchmark.syne_tune_method import NAME, is_installed, mo_asha
from nas.search.callable_objective import run_study
from nas.search.driver import Budget
from nas.search.objectives import DEFAULT_OBJECTIVES
from nas.search.proposals.samplers import choose_sampler
from nas.search.references import compute_optimal_params
from nas.training.batches import derived_seed

_POPULATION, _TOURNAMENT = 10, 3
TWO_OBJECTIVES = ("val_bpb", "collapse_rate")


def _study(sampler: str, *, rungs: bool, objectives: tuple[str, ...] = ("fitness",)) -> SearchMethod:
    """Return a search by nas.search itself, with the rungs of the table or with the top alone."""

    def search(table: Table, seed: int, flops: float) -> Trace:
        space = table.with_rungs(table.space.training.num_rungs if rungs else 1)
        study = run_study(
            space,
            table.score,
            Budget(train_flops=flops),
            seed=seed,
            sampler=sampler,
            objectives=objectives,
            vocabulary_sizes=table.vocabulary_sizes,
        )
        top = space.training.num_rungs - 1
        results = sorted((rung.order, record, rung) for record in study.records for rung in record.rungs)
        spent, trace = 0.0, []
        for _, record, rung in results:
            spent += rung.spent_flops
            trace.append(Step(spent, record.architecture.id, rung.rung == top))
        return trace

    return search


def _in_order(key: Callable[[Cell, Table], float]) -> SearchMethod:
    """Return a search that trains cells in the order of `key`, equal ones in an order that the seed draws."""

    def search(table: Table, seed: int, flops: float) -> Trace:
        rng = np.random.default_rng(derived_seed("order", seed))
        cells = list(table.cells.values())
        rng.shuffle(cells)
        return _trained(sorted(cells, key=lambda cell: key(cell, table)), table, flops)

    return search


def _most_parameters(cell: Cell, table: Table) -> float:
    return -cell.candidate.architecture.non_embedding_params


def _optimal_parameters(cell: Cell, table: Table) -> float:
    """Return how far the cell is from the compute-optimal size of the published law, as the log of the ratio."""
    size = cell.candidate.architecture.non_embedding_params
    return abs(math.log(size / compute_optimal_params(table.top_flops)))


def _evolution(table: Table, seed: int, flops: float) -> Trace:
    """Search by regularised evolution (Real et al. 2019, arXiv 1802.01548).

    The oldest member dies, the winner of a tournament is the parent. A child differs from its parent in one dimension,
    and is a cell that was not trained yet if there is one.
    """
    rng = np.random.default_rng(derived_seed("evolution", seed))
    grid = table.by_point()
    values = [*grid_values(grid).values()]

    def population_members() -> Iterable[Cell]:
        seen: set[tuple[object, ...]] = set()
        points = list(grid)
        population: deque[tuple[object, ...]] = deque(maxlen=_POPULATION)
        for index in rng.permutation(len(points))[:_POPULATION]:
            population.append(points[index])
            seen.add(points[index])
            yield grid[points[index]]
        while len(seen) < len(grid):
            contest = [population[index] for index in rng.choice(len(population), _TOURNAMENT, replace=False)]
            parent = min(contest, key=lambda point: table.fitness(grid[point].rungs[-1]))
            children = [
                (*parent[:index], value, *parent[index + 1 :])
                for index in range(len(values))
                for value in values[index]
                if value != parent[index]
            ]
            untrained = [point for point in children if point in grid and point not in seen]
            if not untrained:
                untrained = [point for point in points if point not in seen]
            child = untrained[rng.integers(len(untrained))]
            population.append(child)
            seen.add(child)
            yield grid[child]

    return _trained(population_members(), table, flops)


def _trained(cells: Iterable[Cell], table: Table, flops: float) -> Trace:
    """Return the trace of training each cell to the end at once, as long as the FLOPs last."""
    trace: list[Step] = []
    for cell in cells:
        if len(trace) * table.top_flops >= flops:
            break
        trace.append(Step((len(trace) + 1) * table.top_flops, cell.id, True))
    return trace


OURS = "codenas"
METHODS: dict[str, SearchMethod] = {
    OURS: _study(choose_sampler(None, DEFAULT_OBJECTIVES), rungs=True),
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
"""Searches with one objective, fitness."""
TWO_OBJECTIVE_METHODS: dict[str, SearchMethod] = {
    OURS: _study(choose_sampler(None, TWO_OBJECTIVES), rungs=False, objectives=TWO_OBJECTIVES),
    "random": _study("random", rungs=False, objectives=TWO_OBJECTIVES),
    "Optuna TPE": _study("tpe", rungs=False, objectives=TWO_OBJECTIVES),
    "Optuna NSGA-II": _study("nsga2", rungs=False, objectives=TWO_OBJECTIVES),
    "successive halving": _study("random", rungs=True, objectives=TWO_OBJECTIVES),
    "TPE with rungs": _study("tpe", rungs=True, objectives=TWO_OBJECTIVES),
    **({NAME: mo_asha} if is_installed() else {}),
}
"""Searches with two objectives, bits per byte and collapse rate. Ours is Optuna's GP, which had the best median."""
