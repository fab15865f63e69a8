"""The page of a full training, and that of several over each other, from their records alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.errors import UsageError
from nas.records.training import TrainingRun
from nas.report.parts.document import document
from nas.report.parts.drawing import write_png
from nas.report.parts.key_values import provenance_section
from nas.report.run.comparison import comparison_section, differences_section
from nas.report.run.curves import HEIGHT, learning_curves
from nas.report.run.sections import curves_section, log_section, provenance, samples_section, spread
from nas.report.run.verdict import verdict_section
from nas.report.run.words import labels
from nas.system.files import write_text


def write_run_report(path: Path, runs: Sequence[TrainingRun]) -> None:
    """Write the page of one run, or of several, to `path`: whole or not at all."""
    write_text(path, _one(runs[0]) if len(runs) == 1 else _several(runs))


def write_curves(runs: Sequence[TrainingRun], path: Path) -> None:
    """The learning curves as a picture; UsageError where there is none yet."""
    if not any(run.lines for run in runs):
        raise UsageError("--png: there has been no evaluation yet, so there is no curve to draw")
    write_png(learning_curves(runs), path, height=HEIGHT)


def _one(run: TrainingRun) -> str:
    shown = [(f"step {line.step:,}", line) for line in spread(run.lines)]
    sections = [verdict_section(run)]
    if run.lines:
        sections += [
            curves_section([run]),
            samples_section(
                shown, "What it wrote at evaluations from the first to the last, with the same random numbers."
            ),
            log_section(run),
        ]
    sections.append(provenance_section(provenance(run)))
    return document(f"{run.name}: full training", sections, has_figures=bool(run.lines))


def _several(runs: Sequence[TrainingRun]) -> str:
    named = [(name, run) for name, run in zip(labels(runs), runs, strict=True) if run.lines]
    shown = [(f"{name}, step {run.step:,}", run.lines[-1]) for name, run in named]
    sections = [comparison_section(runs)]
    if named:
        sections.append(curves_section(runs))
    sections.append(differences_section(runs))
    if named:
        sections.append(samples_section(shown, "What each wrote at its last evaluation, with the same random numbers."))
    sections += [log_section(run, f"Evaluations of {name}") for name, run in named]
    return document("full trainings", sections, has_figures=bool(named))
