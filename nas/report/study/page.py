"""`report.html` of a study, from its records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.records.study import StudyRecord
from nas.report.parts.document import page
from nas.report.parts.key_values import groups
from nas.report.parts.templates import json_data
from nas.report.parts.words import duration
from nas.report.study import sections, summary
from nas.report.study.commands import next_commands
from nas.report.study.facts import finalist_facts, trial_facts
from nas.report.study.health import findings_of, lost_trials
from nas.report.study.intervals import max_half_width
from nas.report.study.samples import Sample, excerpts_of, prompts_of
from nas.report.study.tables import finalists_table, trials_table
from nas.report.study.view import StudyView
from nas.system.files import write_text


def write_report(
    folder: Path, view: StudyView, samples: Mapping[int, Sequence[Sample]] | None = None, path: Path | None = None
) -> Path:
    """Write the report of a study into its folder, or to `path`, and return where it is.

    `samples` holds trial number -> completions (`read_samples`). A view at another collapse weight than the
    study's goes to `report-w<weight>.html`. The file appears whole or not at all.
    """
    path = path or folder / report_name(view)
    write_text(path, _page(folder, view, samples or {}))
    return path


def report_name(view: StudyView) -> str:
    return "report.html" if view.has_own_weight else f"report-w{view.weight:g}.html"


def _page(folder: Path, view: StudyView, samples: Mapping[int, Sequence[Sample]]) -> str:
    study, findings, excerpts = view.study, findings_of(view), excerpts_of(samples)
    learning = sections.learning_section(view)
    context: dict[str, Any] = {
        "view": view,
        "state": summary.state(view),
        "trust": summary.trust(findings) if findings else "",
        "commands": next_commands(folder, study),
        "has_samples": any(samples.values()),
        "learning": learning,
        "trials": trials_table(view) if view.records else None,
        "findings": findings,
        "lost": lost_trials(view),
        "groups": groups(provenance(study)),
    }
    if view.ranked:
        context |= {
            "tiles": summary.tiles(view),
            "notes": summary.notes(view),
            "cards": summary.cards(view),
            "verdict": _verdict(view),
            "front": sections.front_section(view, excerpts),
            "mattered": sections.mattered_section(view, excerpts),
            "history": sections.history_section(view, excerpts),
            "prompts": prompts_of(view, samples),
        }
    if view.records:
        context |= {
            "trial_facts": json_data(trial_facts(view, excerpts)),
            "finalist_facts": json_data(finalist_facts(view)),
        }
    title = f"{study.name}: architecture search report"
    return page("study.html.jinja", title, has_figures=bool(view.ranked or learning), **context)


def _verdict(view: StudyView) -> dict[str, Any] | None:
    """Return what the section of the verdict on the holdout says; None before there is one."""
    comparison, metrics = view.comparison, view.holdout_metrics
    if comparison is None or metrics is None:
        return None
    return {
        "num_bytes": metrics.num_bytes,
        "num_prompts": metrics.num_prompts,
        "novel_num_bytes": None if metrics.novel_bpb is None else metrics.novel_num_bytes,
        "half_width": max_half_width(metrics.num_prompts),
        "num_seeds": comparison.best.num_seeds,
        "num_worse": sum(finalist.is_worse for finalist in comparison.finalists),
        "failed": [f"Trial {lost.number} diverged with seed {lost.seed}: {lost.reason}." for lost in comparison.failed],
        "table": finalists_table(view),
    }


def provenance(study: StudyRecord) -> dict[str, Mapping[str, Any]]:
    """Return heading -> what the study wrote down about where it comes from."""
    identity = {"seed": study.seed, "collapse weight": study.collapse_weight, "schema": study.schema_version}
    return {
        "Corpus": study.corpus,
        "Compressors, bits per byte": study.compressors,
        "Time by phase, summed over runs": {name: duration(seconds) for name, seconds in study.measured.items()},
        "Provenance": study.provenance,
        "Identity": {**identity, **study.identity},
        "Search space": study.space,
    }
