"""The top of the page: what was found, in plain sentences, and how it does on data never looked at."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from nas.finals import Comparison, Finalist, chosen_trial, comparison_of
from nas.records import Judgement, StudyRecord, TrialRecord, completed
from nas.reporting.markup import Cell, Row, count_cell, figure_cell, paragraph, section, table, text, tiles
from nas.reporting.words import count, fixed, sentence, title

_HEADS = (
    "model",
    "bits per byte",
    "on novel lines",
    "perplexity",
    "collapse sampled",
    "collapse greedy",
    "fitness",
    "behind the best",
    "params",
    "architecture",
)


def verdict_section(folder: Path, study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> str:
    """Title, state, the best trial in words and figures, warnings, holdout table, the command to go on."""
    ranked = completed(records)
    parts = [
        '<p class="kicker">Architecture search for small language models of Python code</p>',
        f"<h1>Study {text(study.name)}</h1>",
        paragraph(_state(study, records), "soft"),
    ]
    if collapse_weight != study.collapse_weight:
        parts.append(
            paragraph(
                f"Ranked here with a collapse weight of {collapse_weight:g}. The search itself used "
                f"{study.collapse_weight:g}, so it looked for other trials than these.",
                "note",
            )
        )
    if not ranked:
        parts.append(paragraph("No trial has completed yet, so there is nothing to compare.", "lead"))
    else:
        parts += [
            _best(study, records, collapse_weight),
            _against_gzip(study, records, collapse_weight),
            _holdout(study, records, collapse_weight),
        ]
        if (folder / "arch.json").is_file():
            parts.append(_commands(folder))
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def _state(study: StudyRecord, records: Sequence[TrialRecord]) -> str:
    state = "Complete" if study.complete else "Not complete: the search is running or was stopped"
    ended = f"{len(records)} trial{'' if len(records) == 1 else 's'} ended"
    budget = f" (budget {study.budget})" if study.budget is not None else ""
    references = sum(one.reference is not None for one in records)
    numbers = [(sum(one.state == name for one in records), word) for word, name in _STATES] + [
        (references, "references")
    ]
    counts = ", ".join(f"{number} {word}" for number, word in numbers if number)
    return f"{state}. {ended}{budget}" + (f": {counts}." if counts else ".")


_STATES = (("complete", "COMPLETE"), ("pruned", "PRUNED"), ("failed", "FAIL"))


def _best(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> str:
    best = chosen_trial(study, records, collapse_weight)
    assert best is not None
    validation = best.validation
    sampled = validation.sampled_collapse_rate if validation else None
    greedy = validation.greedy_collapse_rate if validation else None
    figures = [
        ("bits per byte, validation", fixed(best.val_bpb)),
        ("the same on novel lines", fixed(best.val_novel_bpb)),
        ("collapse, sampled", fixed(sampled)),
        ("collapse, greedy", fixed(greedy)),
        ("fitness", fixed(best.fitness)),
        ("parameters", count(best.architecture.num_params)),
    ]
    return "\n".join(
        [
            paragraph(f"The best architecture is {title(best)}: {sentence(best.architecture)}.", "lead"),
            tiles(figures),
            paragraph(
                f"Fitness is validation bits per byte plus {collapse_weight:g} times the collapse rate: the share of "
                "completions that are a loop, blank or near-constant, sampled or greedy, whichever is worse. Lower is "
                "better.",
                "soft",
            ),
            _against_references(completed(records)),
        ]
    )


def _against_references(ranked: Sequence[TrialRecord]) -> str:
    found = next((one for one in ranked if not one.reference), None)
    reference = next((one for one in ranked if one.reference), None)
    if reference is None or found is None or found.fitness is None or reference.fitness is None:
        return ""
    gap = reference.fitness - found.fitness
    if gap > 0:
        return paragraph(f"It beats the best reference, {title(reference)}, by {gap:.3f} in fitness on validation.")
    return paragraph(
        f"No searched architecture beats the reference {reference.reference} on validation: the best of them, "
        f"{title(found)}, has a fitness of {fixed(found.fitness)} against {fixed(reference.fitness)}.",
        "callout",
    )


def _against_gzip(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> str:
    """A warning when a plain compressor predicts the same bytes as well as the best model does."""
    comparison = comparison_of(study, records, collapse_weight)
    bpb = min(one.bpb for one in comparison.finalists) if comparison else completed(records)[0].val_bpb
    split = "holdout" if comparison else "validation"
    gzip = next((value for name, value in study.compressors.get(split, {}).items() if name.startswith("gzip")), None)
    if gzip is None or bpb is None or bpb < gzip:
        return ""
    return paragraph(
        f"The best model is not below gzip: {bpb:.3f} against {gzip:.3f} bits per byte on the same {split} bytes. "
        "A general compressor predicts this code as well; train longer before drawing conclusions.",
        "callout",
    )


def _holdout(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> str:
    comparison = comparison_of(study, records, collapse_weight)
    if comparison is None:
        return paragraph("The verdict on the holdout comes at the end of a search; it is not there yet.", "note")
    by_number = {one.number: one for one in records}
    rows: list[Row] = [_finalist_row(one, by_number[one.number], comparison.chosen) for one in comparison.finalists]
    for name, bpb in sorted(study.compressors.get("holdout", {}).items(), key=lambda pair: -pair[1]):
        rows.append(("aside", [Cell(f"{name} (compressor)"), figure_cell(bpb), *[Cell("")] * 8]))
    judged = next(one.judgement for one in study.verdict if one.judgement is not None)
    seeds = comparison.best.num_seeds
    return section(
        "Verdict on the holdout",
        paragraph(
            f"Data that the search never looked at, {judged.num_bytes:,} bytes of it, the same for every row. Each "
            f"architecture was trained again with {seeds} fresh seed{'s' * (seeds > 1)}; means stand here, best "
            "fitness first. The bar marks the one that is taken."
        ),
        _why(comparison, by_number),
        table(_HEADS, rows, numeric=_HEADS[1:9]),
        *(
            paragraph(f"Trial {lost.number} fell apart with seed {lost.seed}: {text(lost.reason or '')}.", "note")
            for lost in comparison.failed
        ),
        _novel_lines(judged),
        paragraph(
            f"Perplexity compares within one vocabulary only. A collapse rate of {judged.num_prompts:,} prompts is "
            f"known to about ±{_half_width(judged.num_prompts):.2f} a training (95%, at worst).",
            "soft",
        ),
    )


def _why(comparison: Comparison, by_number: dict[int, TrialRecord]) -> str:
    name = title(by_number[comparison.chosen])
    others = sum(one.is_worse for one in comparison.finalists)
    worse = (
        f" {others} of the others {'is' if others == 1 else 'are'} significantly worse (5%, Holm)." if others else ""
    )
    return paragraph(f"{name[:1].upper()}{name[1:]} is taken: {comparison.reason}.{worse}")


def _novel_lines(judged: Judgement) -> str:
    """What the figure on novel lines is of; empty where there is none."""
    if judged.novel_bpb is None:
        return ""
    return paragraph(
        f"Novel lines are long enough to tell and stand in no training document, {judged.novel_num_bytes:,} of the "
        f"{judged.num_bytes:,} bytes: there a model cannot have the line by heart.",
        "soft",
    )


def _finalist_row(one: Finalist, record: TrialRecord, chosen: int) -> Row:
    behind = f"{one.behind:+.3f} ± {one.half_width:.3f}" if one.half_width is not None else ""
    cells = [
        Cell(f"trial {one.number}", tags=(record.reference,) if record.reference else ()),
        figure_cell(one.bpb),
        figure_cell(one.novel_bpb),
        figure_cell(one.perplexity, 1),
        figure_cell(one.sampled_collapse_rate),
        figure_cell(one.greedy_collapse_rate),
        figure_cell(one.fitness),
        Cell(behind),
        count_cell(record.architecture.num_params),
        Cell(record.architecture.describe()),
    ]
    return "best" if one.number == chosen else "", cells


def _half_width(prompts: int) -> float:
    """Half of a 95% interval of a share near one half, by the normal approximation."""
    return 1.96 * 0.5 / math.sqrt(prompts)


def _commands(folder: Path) -> str:
    command = f"python -m nas.train --arch-json {shlex.quote(str(folder / 'arch.json'))} --max-steps 2000"
    return paragraph("Train it from scratch, for longer:") + f'\n<pre class="command">{text(command)}</pre>'
