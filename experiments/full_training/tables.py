"""The table of experiments/full_training/README.md, from the lines of its file."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from experiments.document import markdown
from experiments.full_training.runs import FullRun

_HEADER = (
    *("FLOPs", "architecture", "parameters", "seeds", "text seen", "holdout", "novel lines"),
    *("collapse, sampled", "collapse, greedy", "collapse, protocols origin, greedy, plain", "minutes"),
)


def tables(runs: Sequence[FullRun]) -> str:
    """Return Markdown: one row per model, budget and teacher, means over seeds with the standard deviation.

    Ordered by budget, the best first.
    """
    groups: dict[tuple[str, float, bool], list[FullRun]] = {}
    for run in sorted(runs, key=lambda run: run.name):
        groups.setdefault((run.model, float(f"{run.train_flops:.0e}"), run.teacher_flops > 0), []).append(run)
    ordered = sorted(groups.items(), key=lambda item: (item[0][1], _mean(item[1])))
    rows = [_row(flops, taught, group) for (_, flops, taught), group in ordered]
    return markdown(_HEADER, [*rows, *([_compressors(runs[0])] if runs else [])])


def _mean(group: Sequence[FullRun]) -> float:
    return statistics.mean(run.holdout.bpb for run in group)


def _row(flops: float, taught: bool, group: Sequence[FullRun]) -> tuple[str, ...]:
    first = group[0]
    protocols = [f"{statistics.mean(run.protocols[name][0] for run in group):.2f}" for name in first.protocols]
    return (
        f"{flops:.0e}",
        f"**{first.model}**{', taught' if taught else ''}: {first.architecture.describe()}",
        f"{first.architecture.num_params / 1e6:.2f}M",
        str(len(group)),
        f"{first.train_bytes / 1e6:.0f} MB",
        _spread(group, lambda run: run.holdout.bpb),
        _spread(group, lambda run: run.holdout.novel_bpb or float("nan")),
        f"{statistics.mean(run.holdout.sampled_collapse_rate for run in group):.3f}",
        f"{statistics.mean(run.holdout.greedy_collapse_rate for run in group):.3f}",
        ", ".join(protocols),
        f"{statistics.median(run.train_seconds for run in group) / 60:.0f}",
    )


def _spread(group: Sequence[FullRun], value: Callable[[FullRun], float]) -> str:
    values = [value(run) for run in group]
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


def _compressors(run: FullRun) -> tuple[str, ...]:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in run.compressors.items())
    return ("", f"on the same bytes: {figures}", *[""] * 9)
