"""The page of one full training, and that of several in one chart, from their records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.errors import UsageError
from nas.records.training import TrainingLine, TrainingRun
from nas.report.parts.chart import Chart, chart
from nas.report.parts.differences import differences_table
from nas.report.parts.document import page
from nas.report.parts.drawing import write_png
from nas.report.parts.key_values import groups
from nas.report.parts.words import duration
from nas.report.run.curves import HEIGHT, learning_curves
from nas.report.run.summary import labels, next_commands, rollback_words, since_best, state, tiles
from nas.report.run.tables import evaluations_table, runs_table
from nas.system.files import write_text

MAX_SAMPLES = 4
"""Evaluations of a run whose samples are shown."""


class PromptSamples(NamedTuple):
    """Completions of one prompt at several evaluations; untrusted text."""

    prompt: str
    completions: Sequence[tuple[str, str]]
    """(evaluation, completion), which is empty if the evaluation does not have the prompt."""


def write_run_report(path: Path, runs: Sequence[TrainingRun]) -> None:
    """Write the page of one run, or of several, to `path`: whole or not at all."""
    write_text(path, _run_page(runs[0]) if len(runs) == 1 else _runs_page(runs))


def write_curves(runs: Sequence[TrainingRun], path: Path) -> None:
    """Write the learning curves as a picture; UsageError if no run has an evaluation yet."""
    if not any(run.lines for run in runs):
        raise UsageError("--png: there has been no evaluation yet, so there is no curve to draw")
    write_png(learning_curves(runs), path, height=HEIGHT)


def _run_page(run: TrainingRun) -> str:
    shown = [(f"step {line.step:,}", line) for line in spread(run.lines)]
    return page(
        "run.html.jinja",
        f"{run.name}: full training",
        has_figures=bool(run.lines),
        run=run,
        state=state(run),
        tiles=tiles(run),
        since_best=since_best(run, run.best) if run.best else "",
        rollbacks=[rollback_words(rollback) for rollback in run.rollbacks],
        commands=next_commands(run),
        curves=_curves([run]) if run.lines else None,
        prompts=samples_by_prompt(shown),
        evaluations=evaluations_table(run),
        groups=groups(provenance(run)),
    )


def _runs_page(runs: Sequence[TrainingRun]) -> str:
    named = list(zip(labels(runs), runs, strict=True))
    evaluated = [(name, run) for name, run in named if run.lines]
    shown = [(f"{name}, step {run.step:,}", run.lines[-1]) for name, run in evaluated]
    return page(
        "runs.html.jinja",
        "full trainings",
        has_figures=bool(evaluated),
        num_runs=len(runs),
        warning=_warning(runs),
        runs=runs_table(runs),
        rollbacks=[(name, list(map(rollback_words, run.rollbacks))) for name, run in named if run.rollbacks],
        curves=_curves(runs) if evaluated else None,
        differences=differences_table(
            [name for name, _ in named], [run.record.model_dump(exclude={"command"}) for run in runs]
        ),
        prompts=samples_by_prompt(shown),
        evaluations=[(name, evaluations_table(run)) for name, run in evaluated],
    )


def _curves(runs: Sequence[TrainingRun]) -> Chart:
    return chart(learning_curves(runs), "curves", "Learning curves: bits per byte, loss and learning rate")


def _warning(runs: Sequence[TrainingRun]) -> str:
    """Return why the bits per byte of the runs do not compare; empty if they do."""
    if len({run.record.corpus_hash for run in runs}) > 1:
        return "The runs have different corpora, so their bits per byte are not of the same text."
    if len({run.record.validation_bytes for run in runs}) > 1:
        return (
            "The runs read different amounts of validation text, so small differences in bits per byte mean little; "
            "the holdout is the same for all."
        )
    return ""


def spread(lines: Sequence[TrainingLine], max_lines: int = MAX_SAMPLES) -> list[TrainingLine]:
    """Return at most `max_lines`, evenly spaced from the first to the last."""
    indices = np.linspace(0, len(lines) - 1, num=min(max_lines, len(lines)))
    return [lines[round(index)] for index in indices]


def samples_by_prompt(shown: Sequence[tuple[str, TrainingLine]]) -> list[PromptSamples]:
    """Return the samples of some evaluations, which have a name each, by prompt."""
    completions = [(name, {sample.prompt: sample.completion for sample in line.samples}) for name, line in shown]
    prompts = dict.fromkeys(sample.prompt for _, line in shown for sample in line.samples)
    return [
        PromptSamples(prompt, [(name, by_prompt.get(prompt, "")) for name, by_prompt in completions])
        for prompt in prompts
    ]


def provenance(run: TrainingRun) -> dict[str, Mapping[str, Any]]:
    """Return heading -> what decides the result of the run, and how long it took."""
    record, spent = run.record, run.spent
    corpus = {"source": run.summary.corpus} if run.summary else {}
    evaluations = {"every": f"{record.evaluate_every:,} steps", "on": f"{record.validation_bytes:,} bytes"}
    times = {}
    if spent:
        times = {
            "training": duration(spent.train_seconds),
            "evaluations": f"{duration(spent.watch_seconds)}, {spent.watch_share:.1%} of all",
        }
    return {
        "Corpus": corpus | {"content hash": record.corpus_hash},
        "Provenance": {"command": run.command} if run.command else {},
        "Time": times,
        "Recipe": record.recipe.model_dump(),
        "Distillation": record.distillation or {},
        "Evaluations": evaluations,
        "Numerics": record.numerics,
        "Architecture": record.architecture.model_dump(),
    }
