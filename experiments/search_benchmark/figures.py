"""What replayed searches are worth: regret and hypervolume against FLOPs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from experiments.search_benchmark.results_table import Table
from nas.records.fitness import hypervolume
from nas.report.parts.drawing import styled

Step = tuple[float, str, bool]
Trace = list[Step]
"""FLOPs spent in all, id of the architecture, whether it was trained to the end."""


@dataclass(frozen=True)
class Replays:
    """The searches of a benchmark, by name and seed."""

    budget: int
    """Full trainings' worth of FLOPs."""
    single: dict[str, list[Trace]]
    with_swapped_seeds: dict[str, list[Trace]]
    """As `single`, on the table with the seeds exchanged."""
    double: dict[str, list[Trace]]

    def as_json(self, table: Table) -> dict[str, Any]:
        """Final regrets and hypervolumes of each search; what it paid for follows from the command and the seed."""
        return {
            "budget": self.budget,
            "seeds": {name: len(found) for name, found in (self.single | self.double).items()},
            "final_regret": {name: _rounded(final_regrets(found, table)) for name, found in self.single.items()},
            "final_regret_turned": {
                name: _rounded(final_regrets(found, table.with_swapped_seeds()))
                for name, found in self.with_swapped_seeds.items()
            },
            "final_hypervolume": {name: _rounded(hypervolumes(found, table)) for name, found in self.double.items()},
        }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(one, 5) for one in values]


def regret_steps(trace: Trace, table: Table) -> list[tuple[float, float]]:
    """(FLOPs spent, simple regret from there on) whenever the choice changes.

    Chosen is the best by the first seed among what was trained to the end; its regret is its fitness by the second less
    the lowest that any cell has by it.
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
    """Infinite before anything was trained to the end."""
    return next((regret for spent, regret in reversed(steps) if spent <= flops * (1 + 1e-9)), math.inf)


def final_regrets(traces: Sequence[Trace], table: Table) -> list[float]:
    return [regret_steps(one, table)[-1][1] for one in traces]


def flops_to_reach(traces: Sequence[Trace], table: Table, regret: float) -> list[float]:
    """Of each search, the FLOPs from which on its regret was no higher; infinite where it ended higher.

    Not when it was first so: the choice is by one seed and the regret by another, so it rises too, and who draws at
    random comes by luck to what is taken from them again.
    """
    return [stays_from(regret_steps(one, table), regret) for one in traces]


def stays_from(steps: Sequence[tuple[float, float]], regret: float) -> float:
    """The FLOPs of the first of the last steps that are all no higher than `regret`."""
    since = math.inf
    for spent, reached in steps:
        since = min(since, spent) if reached <= regret + 1e-12 else math.inf
    return since


def hypervolumes(traces: Sequence[Trace], table: Table) -> list[float]:
    """Of the front by the first seed among what was trained to the end, at its values by the second.

    The reference is the worst cell in each objective.
    """
    worst = [max(one.truth.val_bpb for one in table.cells.values()), 1.0]
    found = []
    for trace in traces:
        cells = [table.cells[name] for _, name, is_top in trace if is_top]
        front = [
            one
            for one in cells
            if not any(
                other.rungs[-1].val_bpb <= one.rungs[-1].val_bpb
                and other.rungs[-1].collapse_rate <= one.rungs[-1].collapse_rate
                and other.rungs[-1] != one.rungs[-1]
                for other in cells
            )
        ]
        found.append(hypervolume([(one.truth.val_bpb, one.truth.collapse_rate) for one in front], worst))
    return found


def median_regret(traces: Sequence[Trace], table: Table, flops: Sequence[float]) -> NDArray[np.float64]:
    """(len(flops),) over the searches."""
    steps = [regret_steps(one, table) for one in traces]
    return np.array([float(np.median([regret_at(one, at) for one in steps])) for at in flops])


def regret_figure(replays: Replays, table: Table) -> go.Figure:
    """Median simple regret of each way to search against the FLOPs it has spent."""
    figure = go.Figure()
    at = np.linspace(1, replays.budget, 4 * replays.budget)
    for place, (name, traces) in enumerate(replays.single.items()):
        regrets = median_regret(traces, table, [float(one * table.top_flops) for one in at])
        shown = np.isfinite(regrets)
        figure.add_scatter(
            x=at[shown],
            y=regrets[shown],
            mode="lines",
            name=name,
            line={"width": 4 if place == 0 else 1.5, "dash": "solid" if place < 4 else ("dash", "dot")[place % 2]},
        )
    figure = styled(figure, "training FLOPs spent, in full trainings", "simple regret in fitness, median")
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"})
    return figure
