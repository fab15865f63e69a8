"""What is said of a full training in words, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.training import RollBack, TrainingLine, TrainingRun
from nas.report.parts.words import count, duration


def labels(runs: Sequence[TrainingRun]) -> list[str]:
    """A name for each run that no other has: of its folder, or the path to it where two have the same."""
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def standing(run: TrainingRun) -> str:
    """How far it is, in a few words; a run is not known to have gone further than its last evaluation."""
    return "finished" if run.summary else f"step {run.step:,} of {run.num_steps:,}"


def state(run: TrainingRun) -> str:
    """How far it is, in a sentence."""
    if not run.lines:
        first = min(run.record.evaluate_every, run.num_steps)
        return f"Begun: no evaluation yet. The first comes at step {first:,} of {run.num_steps:,}."
    last = run.lines[-1]
    used = f"{count(run.tokens_at(last))} tokens, {last.train_flops:.3g} FLOPs"
    if run.summary:
        return f"Finished: {last.step:,} steps, {used}, {spent(run)}."
    if last.step >= run.num_steps:
        return f"All {last.step:,} steps are done, {used}, {spent(run)}; the verdict on the holdout is not there yet."
    share = last.step / run.num_steps
    return f"Not finished: step {last.step:,} of {run.num_steps:,} ({share:.0%}), {used}, {spent(run)}{_left(run)}."


def spent(run: TrainingRun) -> str:
    """Time so far, and the share of it that evaluations took."""
    if run.spent is None:
        return "for a time that was not written down"
    return f"in {duration(run.spent.total_seconds)}, evaluations {run.spent.watch_share:.1%} of it"


def returned(rollback: RollBack) -> str:
    """`to step 400: the training loss rose from 2.10 to 3.20 at step 431`."""
    to = f"step {rollback.to_step:,}" if rollback.to_step else "the beginning"
    return f"to {to}: {rollback.reason}"


def since_best(run: TrainingRun, best: TrainingLine) -> str:
    """What came after the best evaluation; empty where it is the last."""
    last = run.lines[-1]
    if last.step == best.step:
        return ""
    return f"the last one, at step {last.step:,}, is {last.val_bpb - best.val_bpb:.4f} bits per byte worse"


def _left(run: TrainingRun) -> str:
    if run.spent is None or not run.step:
        return ""
    return f"; about {duration(run.spent.total_seconds / run.step * (run.num_steps - run.step))} left at that speed"
