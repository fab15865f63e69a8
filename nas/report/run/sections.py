"""The lower part of a full training's page: curves, the log, samples, and where everything comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.records.training import TrainingLine, TrainingRun
from nas.report.parts.document import embedded
from nas.report.parts.markup import code, paragraph, section, table, text
from nas.report.parts.tables import Cell, Row, count_cell, figure_cell
from nas.report.parts.words import MISSING, duration
from nas.report.run.curves import learning_curves

SAMPLES_NOTICE = (
    "This page holds samples of what a model wrote, and a model may repeat what it was trained on. If the corpus is "
    "private, treat this file as private too."
)
SAMPLES_SHOWN = 4
_LOG_HEADS = (
    "step",
    "tokens",
    "FLOPs",
    "training loss",
    "bits per byte",
    "on novel lines",
    "perplexity",
    "learning rate",
    "tokens/s",
    "time",
)


def curves_section(runs: Sequence[TrainingRun]) -> str:
    several = (
        "A click in the legend hides a run or shows its novel lines. Nats per token compare within one vocabulary "
        "only, bits per byte across all. "
    )
    return section(
        "Learning curves",
        paragraph(
            "Bits per byte on validation, lower is better; novel lines are long enough to tell and stand in no "
            "training document. Below, the mean training loss since the evaluation before, and the learning rate. The "
            "buttons choose what the x axis shows. " + (several if len(runs) > 1 else ""),
            "soft",
        ),
        embedded(learning_curves(runs), "curves", "Learning curves: bits per byte, loss and learning rate"),
    )


def log_section(run: TrainingRun, heading: str = "Evaluations") -> str:
    """Every line of the log: the figures behind the curves."""
    before = [(), *(line.rollbacks for line in run.lines)]
    rows = [
        _log_row(run, line, went_back=len(line.rollbacks) > len(earlier))
        for line, earlier in zip(run.lines, before, strict=False)
    ]
    return section(
        heading,
        paragraph(
            "One row an evaluation; the bar marks the best in bits per byte. The training loss is in nats per token. "
            "Click a column to sort.",
            "soft",
        ),
        table(_LOG_HEADS, rows, numeric=_LOG_HEADS, sortable=True),
    )


def _log_row(run: TrainingRun, line: TrainingLine, *, went_back: bool) -> Row:
    measured = line.measured
    cells = [
        Cell(f"{line.step:,}", line.step, "n", ("went back before",) if went_back else ()),
        count_cell(run.tokens_at(line)),
        Cell(f"{line.train_flops:.3g}", line.train_flops, "n"),
        figure_cell(line.train_loss),
        figure_cell(line.val_bpb, 4),
        figure_cell(line.val_novel_bpb, 4),
        figure_cell(line.val_perplexity, 1),
        Cell(f"{line.learning_rate:.2e}", line.learning_rate, "n"),
        count_cell(measured.tokens_per_second if measured else None),
        Cell(duration(measured.total_seconds), measured.total_seconds, "n") if measured else Cell(MISSING, kind="n"),
    ]
    return "best" if line == run.best else "", cells


def samples_section(shown: Sequence[tuple[str, TrainingLine]], explained: str) -> str:
    """What was written at each of these evaluations, side by side, one row of them a prompt."""
    prompts = dict.fromkeys(sample.prompt for _, line in shown for sample in line.samples)
    return section(
        "Samples",
        paragraph(SAMPLES_NOTICE, "note"),
        paragraph(explained, "soft"),
        *(_samples_of(prompt, shown) for prompt in prompts),
    )


def _samples_of(prompt: str, shown: Sequence[tuple[str, TrainingLine]]) -> str:
    columns = []
    for title, line in shown:
        written = next((one.completion for one in line.samples if one.prompt == prompt), "")
        columns.append(f"<div><h4>{text(title)}</h4>{code(written)}</div>")
    return f'<h3><code>{text(prompt)}</code></h3>\n<div class="models">{"".join(columns)}</div>'


def spread(lines: Sequence[TrainingLine], most: int = SAMPLES_SHOWN) -> list[TrainingLine]:
    """At most so many, the first and the last among them, evenly between."""
    shown = min(most, len(lines))
    return [lines[round(place * (len(lines) - 1) / max(1, shown - 1))] for place in range(shown)]


def provenance(run: TrainingRun) -> dict[str, Mapping[str, Any]]:
    """What decides the run's result and how long it took, by heading."""
    record, spent = run.record, run.spent
    corpus = {"source": run.summary.corpus} if run.summary else {}
    evaluations = {"every": f"{record.evaluate_every:,} steps", "of": f"{record.validation_bytes:,} bytes"}
    times = (
        {
            "training": duration(spent.train_seconds),
            "evaluations": f"{duration(spent.watch_seconds)}, {spent.watch_share:.1%} of all",
        }
        if spent
        else {}
    )
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
