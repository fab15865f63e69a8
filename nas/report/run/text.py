"""Full trainings on a terminal, one as named lines, several as a table; and as JSON data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.records.training import TrainingRun
from nas.report.parts.tables import aligned
from nas.report.parts.words import count, fixed
from nas.report.run.summary import labels, rollback_words, since_best, state

_HEADER = ("run", "step", "val_bpb", "novel", "holdout", "params", "architecture")


def lines(run: TrainingRun) -> dict[str, str]:
    """Return what is known of a run, by name."""
    architecture, best = run.record.architecture, run.best
    facts = {
        "run": str(run.folder),
        "architecture": f"{architecture.describe()}, {count(architecture.num_params)} parameters",
        "state": state(run),
    }
    if best:
        later = since_best(run, best)
        facts["best"] = f"step {best.step:,}, val_bpb {best.val_bpb:.4f}  novel {fixed(best.val_novel_bpb, 4)}"
        facts["best"] += f"; {later}" if later else ""
    if run.summary:
        holdout = run.summary.holdout
        facts["holdout"] = (
            f"bpb {holdout.bpb:.4f}  novel {fixed(holdout.novel_bpb, 4)}  "
            f"collapse sampled {holdout.sampled_collapse_rate:.3f}, greedy {holdout.greedy_collapse_rate:.3f}"
        )
    if run.rollbacks:
        facts["rollbacks"] = "; ".join(map(rollback_words, run.rollbacks))
    return facts


def summary_lines(runs: Sequence[TrainingRun], report: Path, png: Path | None) -> list[str]:
    """Return what is known, the paths written, and the next command."""
    facts = lines(runs[0]) if len(runs) == 1 else {}
    facts["report"] = str(report)
    if png:
        facts["png"] = str(png)
    if len(runs) == 1 and runs[0].lines:
        facts["next"] = f"python -m nas.evaluate {shlex.quote(str(runs[0].folder))}"
    above = [] if len(runs) == 1 else [*table(runs), ""]
    return [*above, *(f"{name:<13} {text}" for name, text in facts.items())]


def table(runs: Sequence[TrainingRun]) -> list[str]:
    """Return a line for each run under column names: its best evaluation, and its holdout if it has finished."""
    return aligned([_HEADER, *(_row(name, run) for name, run in zip(labels(runs), runs, strict=True))])


def _row(name: str, run: TrainingRun) -> tuple[str, ...]:
    best, holdout = run.best, run.summary.holdout if run.summary else None
    return (
        name,
        f"{run.step}/{run.num_steps}",
        fixed(best.val_bpb if best else None, 4),
        fixed(best.val_novel_bpb if best else None, 4),
        fixed(holdout.bpb if holdout else None, 4),
        count(run.record.architecture.num_params),
        run.record.architecture.describe(),
    )


def as_json(run: TrainingRun) -> dict[str, Any]:
    """Return the facts of a run as JSON data; the curves are in its log."""
    record, summary, best = run.record, run.summary, run.best
    last = run.lines[-1] if run.lines else None
    holdout = summary.holdout if summary else None
    return {
        "run": run.name,
        "folder": str(run.folder),
        "finished": summary is not None,
        "step": run.step,
        "num_steps": run.num_steps,
        "train_tokens": run.tokens_at(last) if last else 0,
        "train_flops": last.train_flops if last else 0.0,
        "num_params": record.architecture.num_params,
        "describe": record.architecture.describe(),
        "best_step": best.step if best else None,
        "val_bpb": best.val_bpb if best else None,
        "val_novel_bpb": best.val_novel_bpb if best else None,
        "holdout": holdout.model_dump() | {"collapse_rate": holdout.collapse_rate} if holdout else None,
        "rollbacks": [rollback.model_dump() for rollback in run.rollbacks],
        "architecture": record.architecture.model_dump(),
        "recipe": record.recipe.model_dump(),
        "numerics": record.numerics,
        "corpus": summary.corpus if summary else None,
        "corpus_hash": record.corpus_hash,
        "command": run.command,
        "measured": run.spent.model_dump(exclude_none=True) if run.spent else None,
    }
