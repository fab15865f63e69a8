"""`report.html` of a study, from its records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.records.holdout_comparison import chosen_trial, comparison_of
from nas.records.study import StudyRecord, TrialRecord, completed
from nas.report.parts.document import document
from nas.report.parts.key_values import provenance_section
from nas.report.parts.markup import paragraph
from nas.report.study.health import findings_of, health_section
from nas.report.study.learning_section import learning_section
from nas.report.study.provenance import provenance
from nas.report.study.samples import Sample, excerpts_of
from nas.report.study.samples_section import SAMPLES_NOTICE, samples_section
from nas.report.study.sections import front_section, history_section, mattered_section
from nas.report.study.trial_facts import facts_scripts
from nas.report.study.trials_section import trials_section
from nas.report.study.verdict import verdict_section
from nas.system.files import write_text


def write_report(
    folder: Path,
    study: StudyRecord,
    records: Sequence[TrialRecord],
    samples: Mapping[int, Sequence[Sample]] | None = None,
    *,
    collapse_weight: float | None = None,
    path: Path | None = None,
) -> Path:
    """Write the report of a study into its folder, or to `path`, and return where it is.

    `samples` holds trial number -> completions (`read_samples`). Another `collapse_weight` than the
    study's ranks anew, without training, and goes to `report-w<weight>.html`. The file appears whole
    or not at all.
    """
    weight = study.collapse_weight if collapse_weight is None else collapse_weight
    path = path or folder / report_name(study, weight)
    write_text(path, _page(folder, study, [one.reweighted(weight) for one in records], samples or {}, weight))
    return path


def report_name(study: StudyRecord, weight: float, ending: str = "html") -> str:
    return f"report.{ending}" if weight == study.collapse_weight else f"report-w{weight:g}.{ending}"


def _page(
    folder: Path,
    study: StudyRecord,
    records: Sequence[TrialRecord],
    samples: Mapping[int, Sequence[Sample]],
    weight: float,
) -> str:
    findings = findings_of(study, records, weight)
    excerpts = excerpts_of(samples)
    has_results = bool(completed(records))
    best = chosen_trial(study, records, weight)
    sections = [
        verdict_section(folder, study, records, weight, findings),
        paragraph(SAMPLES_NOTICE, "soft") if any(samples.values()) else "",
        front_section(study, records, excerpts, weight) if has_results else "",
        mattered_section(records, excerpts) if has_results else "",
        learning_section(study, records, best),
        history_section(records, excerpts) if has_results else "",
        samples_section(study, records, samples) if has_results else "",
        trials_section(records) if records else "",
        health_section(findings, records),
        provenance_section(provenance(study)),
        facts_scripts(records, excerpts, comparison_of(study, records, weight)) if records else "",
    ]
    has_figures = has_results or any(one.rungs or one.curve for one in records)
    return document(f"{study.name}: architecture search report", sections, has_figures=has_figures)
