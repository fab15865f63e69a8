"""A study on the terminal: the verdict, the front and the top ten."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.study import StudyRecord, TrialRecord, completed
from nas.report.parts import tables
from nas.report.study.verdict_text import verdict_lines


def heading(study: StudyRecord, records: Sequence[TrialRecord], weight: float) -> list[str]:
    budget = f" (budget {study.budget})" if study.budget is not None else ""
    lines = [f"study {study.name}: {len(records)} trials ended{budget}, fitness = val_bpb + {weight:g} x collapse rate"]
    if weight != study.collapse_weight:
        lines.append(f"(the search itself used a collapse weight of {study.collapse_weight:g})")
    return lines


def ranking_and_front(records: Sequence[TrialRecord]) -> list[str]:
    ranking = tables.ranking(records)
    if not ranking:
        return ["no trial has completed yet"]
    return ["", "Best by fitness", *ranking, "", "Pareto front: val_bpb, collapse, params", *tables.front(records)]


def study_lines(study: StudyRecord, records: Sequence[TrialRecord], weight: float) -> list[str]:
    """All that `--text` prints."""
    at_weight = study.model_copy(update={"collapse_weight": weight})
    verdict = ["", *verdict_lines(at_weight, records)] if completed(records) else []
    return [*heading(study, records, weight), *verdict, *ranking_and_front(records)]
