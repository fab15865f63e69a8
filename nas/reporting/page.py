"""`report.html` of a study, from its records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.files import write_text
from nas.records import StudyRecord, TrialRecord, completed
from nas.reporting.document import document, embedded
from nas.reporting.figures import history_figure, importance_figure, pareto_figure, vocabulary_figure
from nas.reporting.key_values import provenance_section
from nas.reporting.markup import paragraph, section
from nas.reporting.samples import Sample
from nas.reporting.sections import SAMPLES_NOTICE, compared, provenance, samples_section, trials_section
from nas.reporting.verdict import verdict_section

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def write_report(
    folder: Path,
    study: StudyRecord,
    records: Sequence[TrialRecord],
    samples: Mapping[int, Sequence[Sample]] | None = None,
    *,
    collapse_weight: float | None = None,
) -> Path:
    """Write the report of a study into its folder and return its path.

    `samples` holds trial number -> completions (`read_samples`). Another `collapse_weight` than the
    study's ranks anew, without training, and goes to `report-w<weight>.html`. The file appears whole
    or not at all.
    """
    weight = study.collapse_weight if collapse_weight is None else collapse_weight
    name = "report.html" if weight == study.collapse_weight else f"report-w{weight:g}.html"
    page = _page(folder, study, [one.reweighted(weight) for one in records], samples or {}, weight)
    write_text(folder / name, page)
    return folder / name


def _page(
    folder: Path,
    study: StudyRecord,
    records: Sequence[TrialRecord],
    samples: Mapping[int, Sequence[Sample]],
    weight: float,
) -> str:
    ranked = completed(records)
    holds_samples = any(samples.get(one.number) for one in compared(records))
    sections = [
        verdict_section(folder, study, records, weight),
        paragraph(SAMPLES_NOTICE, "soft") if holds_samples else "",
        *(_figure_sections(records) if ranked else []),
        samples_section(records, samples) if ranked else "",
        trials_section(records) if records else "",
        provenance_section(provenance(study)),
    ]
    return document(f"{study.name}: architecture search report", sections, has_figures=bool(ranked))


def _figure_sections(records: Sequence[TrialRecord]) -> list[str]:
    importance, caption = importance_figure(records)
    return [
        section(
            "Pareto front",
            paragraph(
                "Bits per byte against collapse rate; lower left is better. Each trial on the front can be bettered "
                "in one only by losing in the other. Larger marks have more parameters.",
                "soft",
            ),
            embedded(pareto_figure(records), "pareto"),
        ),
        section(
            "Vocabulary against width",
            paragraph(
                "The best fitness reached at each vocabulary size and width, brighter is better; empty cells have no "
                "complete trial.",
                "soft",
            ),
            embedded(vocabulary_figure(records), "vocabulary"),
        ),
        section(
            "How the search went",
            paragraph("Fitness of each trial in the order they were started, and the best so far.", "soft"),
            embedded(history_figure(records), "history"),
        ),
        section(
            "What mattered",
            paragraph(caption, "soft"),
            embedded(importance, "importance") if importance else "",
        ),
    ]
