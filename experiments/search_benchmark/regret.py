"""Regret and hypervolume of replayed searches against the FLOPs that they spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from experiments.search_benchmark.replay import Replays
from experiments.search_benchmark.results_table import Table, Trace
from nas.records.fitness import hypervolume
from nas.report.parts.drawing import styled


def final_figures(replays: Replays, table: Table) -> dict[str, Any]:
    """Return the final regrets and hypervolumes of all searches as JSON data.

    What each search paid for follows from the command and the seed.
    """
    swapped = table.with_swapped_seeds()
    return {
        "budget": replays.budget,
        "seeds": {name: len(traces) for name, traces in (replays.single | replays.double).items()},
        "final_regret": {name: _rounded(final_regrets(traces, table)) for name, traces in replays.single.items()},
        "final_regret_swapped_seeds": {
            name: _rounded(final_regrets(traces, swapped)) for name, traces in replays.with_swapped_seeds.items()
        },
        "final_hypervolume": {name: _rounded(hypervolumes(traces, table)) for name, traces in replays.double.items()},
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 5) for value in values]


def regret_steps(trace: Trace, table: Table) -> list[tuple[float, float]]:
    """Return (FLOPs spent, simple regret from there on) whenever the choice changes.

    The choice is the best by the first seed among what was trained to the end; its regret is its fitness by the second
    seed minus the lowest such fitness in the table.
    """
    steps: list[tuple[float, float]] = []
    lowest = math.inf
    for spent, name, is_top in trace:
        cell = table.cells[name]
        seen = table.fitness(cell.rungs[-1])
        if is_top and seen < lowest:
            lowest = seen
            steps.append((spent, table.true_fitness(cell) - table.best))
    return steps


def regret_at(steps: Sequence[tuple[float, float]], flops: float) -> float:
    """Return the regret after so many FLOPs; infinite before anything was trained to the end."""
    return next((regret for spent, regret in reversed(steps) if spent <= flops * (1 + 1e-9)), math.inf)


def final_regrets(traces: Sequence[Trace], table: Table) -> list[float]:
    return [regret_steps(trace, table)[-1][1] for trace in traces]


def flops_to_reach(traces: Sequence[Trace], table: Table, regret: float) -> list[float]:
    """Return for each search the FLOPs after which its regret was never above `regret`; infinite if it ended above.

    The first time at or below it would not do: the choice is made by one seed and the regret is measured by another,
    so it also rises, and a random search reaches by luck what the next result takes away again.
    """
    return [flops_to_stay(regret_steps(trace, table), regret) for trace in traces]


def flops_to_stay(steps: Sequence[tuple[float, float]], regret: float) -> float:
    """Return the FLOPs of the first of those last steps that are all at or below `regret`."""
    since = math.inf
    for spent, reached in steps:
        since = min(since, spent) if reached <= regret + 1e-12 else math.inf
    return since


def hypervolumes(traces: Sequence[Trace], table: Table) -> list[float]:
    """Return for each search the hypervolume of its front.

    The front is chosen by the first seed among what was trained to the end, and measured by the second. The reference
    point is the worst cell in each objective.
    """
    worst = [max(cell.truth.val_bpb for cell in table.cells.values()), 1.0]
    volumes = []
    for trace in traces:
        cells = [table.cells[step.architecture_id] for step in trace if step.is_top]
        front = [
            cell
            for cell in cells
            if not any(
                other.rungs[-1].val_bpb <= cell.rungs[-1].val_bpb
                and other.rungs[-1].collapse_rate <= cell.rungs[-1].collapse_rate
                and other.rungs[-1] != cell.rungs[-1]
                for other in cells
            )
        ]
        volumes.append(hypervolume([(cell.truth.val_bpb, cell.truth.collapse_rate) for cell in front], worst))
    return volumes


def median_regret(traces: Sequence[Trace], table: Table, flops: Sequence[float]) -> NDArray[np.float64]:
    """Return the median over the searches after each number of FLOPs, (len(flops),)."""
    all_steps = [regret_steps(trace, table) for trace in traces]
    return np.array([float(np.median([regret_at(steps, spent) for steps in all_steps])) for spent in flops])


def regret_figure(replays: Replays, table: Table) -> go.Figure:
    """Draw the median simple regret of each way to search against the FLOPs it has spent."""
    figure = go.Figure()
    trainings = np.linspace(1, replays.budget, 4 * replays.budget)
    for place, (name, traces) in enumerate(replays.single.items()):
        regrets = median_regret(traces, table, [float(count * table.top_flops) for count in trainings])
        shown = np.isfinite(regrets)
        figure.add_scatter(
            x=trainings[shown],
            y=regrets[shown],
            mode="lines",
            name=name,
            line={"width": 4 if place == 0 else 1.5, "dash": "solid" if place < 4 else ("dash", "dot")[place % 2]},
        )
    figure = styled(figure, "training FLOPs spent, in full trainings", "simple regret in fitness, median")
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"})
    return figure
