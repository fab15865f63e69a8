"""The tables of experiments/search_benchmark/README.md, from replayed searches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from experiments.document import markdown
from experiments.search_benchmark.methods import OURS
from experiments.search_benchmark.regret import final_regrets, flops_to_reach, hypervolumes, median_regret
from experiments.search_benchmark.replay import Replays
from experiments.search_benchmark.results_table import Table, Trace

_RESAMPLES = 2000


def tables(replays: Replays, table: Table) -> str:
    """Return Markdown; without the part of two objectives where they were not replayed."""
    swapped = table.with_swapped_seeds()
    single = [
        "## One objective",
        _best_seen(table),
        _single(replays.single, replays.budget, table),
        "## One objective, the seeds exchanged",
        _best_seen(swapped),
        _single(replays.with_swapped_seeds, replays.budget, swapped),
    ]
    double = ["## Two objectives", _double(replays, table)] if replays.double else []
    return "\n\n".join([facts(table), *single, *double])


def facts(table: Table) -> str:
    """Return how many cells there are, how good they are, and how much two seeds differ."""
    values = sorted(map(table.true_fitness, table.cells.values()))
    twice = [(cell.rungs[-1], cell.truth) for cell in table.cells.values() if cell.truth != cell.rungs[-1]]
    noise = [
        float(np.std([score(first) - score(second) for first, second in twice])) / math.sqrt(2)
        for score in (lambda scores: scores.val_bpb, table.fitness)
    ]
    following = ", ".join(f"{value:.3f}" for value in values[1:5])
    return (
        f"{len(table.cells)} cells, {len(twice)} of them trained with the second seed too, "
        f"{len(table.failed)} trainings that diverged. True fitness: best {values[0]:.3f}, then {following}; "
        f"median {np.median(values):.3f}. Between the seeds one standard deviation of a training is "
        f"{noise[0]:.3f} bits per byte and {noise[1]:.3f} in fitness."
    )


def _best_seen(table: Table) -> str:
    return f"The true regret of the cell that looks best to a search is {table.regret_of_best_seen:.4f}."


def _single(replays: Mapping[str, Sequence[Trace]], trainings: int, table: Table) -> str:
    goal = float(np.median(final_regrets(replays["random"], table)))
    budget = trainings * table.top_flops
    rows = [_row(name, traces, replays[OURS], table, goal, budget) for name, traces in replays.items()]
    third = trainings / 3
    header = (
        "search",
        "seeds",
        f"regret at {third:.0f} trainings' FLOPs",
        f"regret at {trainings}",
        "mean",
        f"{OURS} minus it, mean, 95%",
        f"FLOPs to random's final median ({goal:.4f}), in trainings",
        "random's over these",
    )
    return markdown(header, rows)


def _row(
    name: str, traces: Sequence[Trace], our_traces: Sequence[Trace], table: Table, goal: float, budget: float
) -> list[str]:
    regrets = final_regrets(traces, table)
    ours = final_regrets(our_traces, table)
    reached = float(np.median(flops_to_reach(traces, table, goal))) / table.top_flops
    early = median_regret(traces, table, [budget / 3])[0]
    return [
        f"**{name}**" if name == OURS else name,
        str(len(traces)),
        f"{early:.4f}",
        f"{np.median(regrets):.4f}",
        f"{np.mean(regrets):.4f}",
        "" if name == OURS else _paired(ours, regrets),
        f"{reached:.1f}" if math.isfinite(reached) else "never",
        f"{budget / table.top_flops / reached:.1f}" if math.isfinite(reached) else "",
    ]


def _double(replays: Replays, table: Table) -> str:
    volumes = {name: hypervolumes(traces, table) for name, traces in replays.double.items()}
    rows = [
        [
            f"**{name}**" if name == OURS else name,
            str(len(values)),
            f"{np.median(values):.4f}",
            f"{np.mean(values):.4f}",
            "" if name == OURS else _paired(volumes[OURS], values),
        ]
        for name, values in volumes.items()
    ]
    header = ("search", "seeds", "hypervolume, median", "mean", f"{OURS} minus it, mean, 95%")
    return markdown(header, rows)


def _paired(ours: Sequence[float], others: Sequence[float]) -> str:
    """Return the mean difference over the seeds that both have, with its bootstrap interval.

    By hand and not by scipy.stats.bootstrap: the committed figures are from these draws.
    """
    count = min(len(ours), len(others))
    differences = np.array(ours[:count]) - np.array(others[:count])
    rng = np.random.default_rng(0)
    means = differences[rng.integers(count, size=(_RESAMPLES, count))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
