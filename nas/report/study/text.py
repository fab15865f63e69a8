"""A study as text: its result, ranking and front on a terminal, a line of it in a list, and a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nas.records.trial import TrialRecord
from nas.report.parts.tables import aligned
from nas.report.parts.templates import render
from nas.report.parts.words import MISSING, count, fixed, flops_words, title
from nas.report.study.commands import next_commands
from nas.report.study.health import findings_of
from nas.report.study.view import StudyView

_INDENT = " " * 12
_RANKING_HEADS = ("rank", "trial", "val_bpb", "novel", "collapse", "fitness", "params", "architecture")
_LIST_HEADS = ("study", "state", "trials", "val_bpb", "fitness", "best architecture")


def study_lines(view: StudyView) -> list[str]:
    """Return all that `--text` prints."""
    result = ["", *result_lines(view)] if view.ranked else []
    return [*heading(view), *result, *ranking_and_front(view)]


def heading(view: StudyView) -> list[str]:
    study = view.study
    budget = f" (budget {study.budget})" if study.budget is not None else ""
    lines = [
        f"study {study.name}: {len(view.records)} trials ended{budget}, "
        f"fitness = val_bpb + {view.weight:g} x collapse rate"
    ]
    if not view.has_own_weight:
        lines.append(f"(the search itself used a collapse weight of {study.collapse_weight:g})")
    return lines


def ranking_and_front(view: StudyView) -> list[str]:
    if not view.ranked:
        return ["no trial has completed yet"]
    front = ["Pareto front: val_bpb, collapse, params", *ranking(view.front)]
    return ["", "Best by fitness", *ranking(view.ranked[:10]), "", *front]


def ranking(ranked: Sequence[TrialRecord]) -> list[str]:
    """Return COMPLETE trials under column names, `novel` being val_bpb on novel lines; no line if there is none."""
    rows = [(str(rank), str(record.number), *_figures(record)) for rank, record in enumerate(ranked, start=1)]
    return aligned([_RANKING_HEADS, *rows]) if rows else []


def _figures(record: TrialRecord) -> tuple[str, ...]:
    name = f" ({record.reference})" if record.reference else ""
    scores = map(fixed, (record.val_bpb, record.val_novel_bpb, record.collapse_rate, record.fitness))
    return (*scores, count(record.architecture.num_params), record.architecture.describe() + name)


def result_lines(view: StudyView) -> list[str]:
    """Return the best trial, the verdict on the holdout, and the prediction at the target; a trial must be complete."""
    best = view.best
    assert best is not None
    return [
        f"best        trial {best.number}: {best.architecture.describe()}",
        f"{_INDENT}val_bpb {fixed(best.val_bpb)}  novel {fixed(best.val_novel_bpb)}  "
        f"collapse {fixed(best.collapse_rate)}  fitness {fixed(best.fitness)}",
        *_verdict_lines(view),
        *_target_lines(view),
    ]


def _verdict_lines(view: StudyView) -> list[str]:
    comparison = view.comparison
    if comparison is None:
        return []
    lines = [f"{_INDENT}{comparison.reason}"]
    for finalist in comparison.finalists:
        width, reference = finalist.half_width, view.by_number[finalist.number].reference or ""
        gap = f"  {finalist.gap:+.3f} ± {width:.3f}" if width is not None else ""
        lines.append(
            f"holdout     trial {finalist.number:>4} {reference:<6} bpb {finalist.bpb:.3f}  "
            f"novel {fixed(finalist.novel_bpb)}  collapse {finalist.collapse_rate:.3f}  "
            f"fitness {finalist.fitness:.3f}{gap}"
        )
    lines += [
        f"{_INDENT}trial {lost.number:>4} diverged with seed {lost.seed}: {lost.reason}" for lost in comparison.failed
    ]
    if compressors := view.study.compressors.get("holdout"):
        figures = ", ".join(f"{name} {value:.3f}" for name, value in compressors.items())
        lines.append(f"holdout     compressors on the same bytes: {figures}")
    seeds = comparison.best.num_seeds
    return [*lines, f"{_INDENT}means of {seeds} fresh seeds; the gap to the best has a 95% interval"]


def _target_lines(view: StudyView) -> list[str]:
    if view.no_law_reason is not None:
        return [f"at target   no scaling law: {view.no_law_reason}"]
    target = view.at_target
    if target is None:
        return []
    best, searched = target.best.predicted, target.searched.predicted
    return [
        f"at target   {target.best.architecture.describe()}",
        f"{_INDENT}{target.target_flops:.2g} FLOPs: predicted bpb {best.bpb:.3f} [{best.low:.3f}, {best.high:.3f}], "
        f"the best above {searched.bpb:.3f}; better with a probability of {target.win_probability:.0%}",
        *(f"{_INDENT}do not rely on it: {reason}" for reason in target.shortcomings),
    ]


def list_lines(views: Iterable[tuple[Path, StudyView]]) -> list[str]:
    """Return a line for each study under column names; no line if there is no study."""
    rows = [_list_row(folder, view) for folder, view in views]
    return aligned([_LIST_HEADS, *rows]) if rows else []


def _list_row(folder: Path, view: StudyView) -> tuple[str, ...]:
    study, best, ended = view.study, view.best, len(view.records)
    return (
        str(folder),
        "complete" if study.complete else "not complete",
        f"{ended}/{study.budget}" if study.budget is not None else str(ended),
        fixed(best.val_bpb if best else None),
        fixed(best.fitness if best else None),
        best.architecture.describe() if best else "",
    )


def markdown(folder: Path, view: StudyView) -> str:
    """Return the study as Markdown: the best, the verdict, the front, the checks, the commands."""
    heads = ("trial", "bits per byte", "on novel lines", "collapse", "fitness", "params", "architecture")
    rows = [(title(record), *_figures(record)[:-1], record.architecture.describe()) for record in view.front]
    return render(
        "study.md.jinja",
        study=view.study,
        best=view.best,
        at_target=_markdown_target(view),
        verdict=_markdown_verdict(view),
        front={"heads": heads, "rows": rows},
        findings=findings_of(view),
        commands=next_commands(folder, view.study),
    )


def _markdown_target(view: StudyView) -> list[str]:
    target = view.at_target
    if target is None:
        return [f"No prediction: {view.no_law_reason}."] if view.no_law_reason is not None else []
    best = target.best.predicted
    return [
        f"At {flops_words(target.target_flops)} FLOPs the scaling law predicts {target.best.architecture.describe()} "
        f"to be best: {best.bpb:.3f} [{best.low:.3f}, {best.high:.3f}] bits per byte.",
        *(f"Do not rely on this prediction: {reason}." for reason in target.shortcomings),
    ]


def _markdown_verdict(view: StudyView) -> dict[str, object] | None:
    comparison = view.comparison
    if comparison is None:
        return None
    rows = []
    for finalist in comparison.finalists:
        record, width = view.by_number[finalist.number], finalist.half_width
        scores = map(fixed, (finalist.bpb, finalist.novel_bpb, finalist.collapse_rate, finalist.fitness))
        gap = MISSING if width is None else f"{finalist.gap:+.3f} ± {width:.3f}"
        rows.append((title(record), *scores, gap, record.architecture.describe()))
    return {
        "selected": f"Trial {comparison.chosen} is selected: {comparison.reason}.",
        "heads": ("model", "bits per byte", "on novel lines", "collapse", "fitness", "gap to the best", "architecture"),
        "rows": rows,
    }
