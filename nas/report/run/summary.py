"""The state and the results of a full training in words, the same on the terminal and on the page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from nas.architecture.transformers_class import Traits, is_exportable
from nas.records.training import RollBack, TrainingLine, TrainingRun
from nas.report.parts.words import MISSING, Command, Tile, count, duration, fixed


def labels(runs: Sequence[TrainingRun]) -> list[str]:
    """Return the names of the runs' folders, or the paths to them if two have one name."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def progress(run: TrainingRun) -> str:
    """Return the state in a few words, up to the last evaluation."""
    return "finished" if run.summary else f"step {run.step:,} of {run.num_steps:,}"


def state(run: TrainingRun) -> str:
    """Return the state in a sentence."""
    if not run.lines:
        first = min(run.record.evaluate_every, run.num_steps)
        return f"Started: no evaluation yet. The first is at step {first:,} of {run.num_steps:,}."
    last = run.lines[-1]
    used = f"{count(run.tokens_at(last))} tokens, {last.train_flops:.3g} FLOPs, {_time(run)}"
    if run.summary:
        return f"Finished: {last.step:,} steps, {used}."
    if last.step >= run.num_steps:
        return f"All {last.step:,} steps are done, {used}; the verdict on the holdout is missing yet."
    share = last.step / run.num_steps
    return f"Not finished: step {last.step:,} of {run.num_steps:,} ({share:.0%}), {used}{_time_left(run)}."


def _time(run: TrainingRun) -> str:
    if run.spent is None:
        return "time not recorded"
    return f"in {duration(run.spent.total_seconds)}, evaluations {run.spent.watch_share:.1%} of it"


def _time_left(run: TrainingRun) -> str:
    if run.spent is None or not run.step:
        return ""
    return f"; about {duration(run.spent.total_seconds / run.step * (run.num_steps - run.step))} left at that speed"


def rollback_words(rollback: RollBack) -> str:
    """Return `to step 400: the training loss rose from 2.10 to 3.20 at step 431`."""
    to = f"step {rollback.to_step:,}" if rollback.to_step else "the start"
    return f"to {to}: {rollback.reason}"


def since_best(run: TrainingRun, best: TrainingLine) -> str:
    """Return how much worse the last evaluation is than the best; empty if they are the same."""
    last = run.lines[-1]
    if last.step == best.step:
        return ""
    return f"the last one, at step {last.step:,}, is {last.val_bpb - best.val_bpb:.4f} bits per byte worse"


def tiles(run: TrainingRun) -> list[Tile]:
    """Return the figures of the best evaluation, and of the holdout at the end of the run."""
    best, holdout = run.best, run.summary.holdout if run.summary else None
    figures = [
        Tile("bits per byte, validation", fixed(best.val_bpb if best else None)),
        Tile("the same on novel lines", fixed(best.val_novel_bpb if best else None)),
    ]
    if holdout:
        figures += [
            Tile("bits per byte, holdout", fixed(holdout.bpb)),
            Tile("the same on novel lines", fixed(holdout.novel_bpb)),
            Tile("collapse, sampled", fixed(holdout.sampled_collapse_rate)),
            Tile("collapse, greedy", fixed(holdout.greedy_collapse_rate)),
        ]
    figures.append(Tile("parameters", count(run.record.architecture.num_params)))
    return [tile for tile in figures if tile.value != MISSING]


def next_commands(run: TrainingRun) -> list[Command]:
    """Return the commands for which the run has what they need."""
    folder = shlex.quote(str(run.folder))
    commands = []
    if run.summary is None and run.record.command:
        commands.append(Command("Resume the run if it was stopped", run.record.command))
    if run.lines:
        commands.append(
            Command("See what the model writes, and how much of it collapses", f"python -m nas.evaluate {folder}")
        )
    if run.lines and is_exportable(Traits.from_architecture(run.record.architecture)):
        commands.append(Command("Export it for transformers", f"python -m nas.export {folder} --to hf"))
    return commands
