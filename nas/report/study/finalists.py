"""The verdict on the holdout as a table: each finalist's means, and how far it is behind the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nas.records.holdout_comparison import Comparison, Finalist
from nas.records.study import Metrics, StudyRecord, TrialRecord
from nas.report.parts.markup import paragraph, section, table
from nas.report.parts.tables import Cell, Row, count_cell, figure_cell

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


def finalists_section(study: StudyRecord, records: Sequence[TrialRecord], comparison: Comparison | None) -> str:
    if comparison is None:
        return paragraph("The verdict on the holdout comes at the end of a search; it is not there yet.", "note")
    by_number = {one.number: one for one in records}
    rows: list[Row] = [_row(one, by_number[one.number], comparison.chosen) for one in comparison.finalists]
    for name, bpb in sorted(study.compressors.get("holdout", {}).items(), key=lambda pair: -pair[1]):
        rows.append(("aside", [Cell(f"{name} (compressor)"), figure_cell(bpb), *[Cell("")] * 8]))
    judged = next(one.metrics for one in study.verdict if one.metrics is not None)
    seeds = comparison.best.num_seeds
    return section(
        "Verdict on the holdout",
        paragraph(
            f"Data that the search never looked at, {judged.num_bytes:,} bytes of it, the same for every row. Each "
            f"architecture was trained again with {seeds} fresh seed{'s' * (seeds > 1)}; means stand here, best "
            "fitness first. The bar marks the one that is taken."
        )
        if study.verdict[0].seed is not None
        else paragraph(
            f"Data that the search never looked at, {judged.num_bytes:,} bytes of it, the same for every row, judged "
            "with the weights of each trial. The bar marks the one that is taken."
        ),
        _worse(comparison),
        table(_HEADS, rows, numeric=_HEADS[1:9], label="Finalists on the holdout"),
        *(
            paragraph(f"Trial {lost.number} fell apart with seed {lost.seed}: {lost.reason or ''}.", "note")
            for lost in comparison.failed
        ),
        _novel_lines(judged),
        paragraph(
            f"Perplexity compares within one vocabulary only. A collapse rate of {judged.num_prompts:,} prompts is "
            f"known to about ±{_half_width(judged.num_prompts):.2f} a training (95%, at worst).",
            "soft",
        ),
    )


def _worse(comparison: Comparison) -> str:
    others = sum(one.is_worse for one in comparison.finalists)
    if not others:
        return ""
    return paragraph(f"{others} of the others {'is' if others == 1 else 'are'} significantly worse (5%, Holm).")


def _novel_lines(judged: Metrics) -> str:
    """What the figure on novel lines is of; empty where there is none."""
    if judged.novel_bpb is None:
        return ""
    return paragraph(
        f"Novel lines are long enough to tell and stand in no training document, {judged.novel_num_bytes:,} of the "
        f"{judged.num_bytes:,} bytes: there a model cannot have the line by heart.",
        "soft",
    )


def _row(one: Finalist, record: TrialRecord, chosen: int) -> Row:
    behind = f"{one.behind:+.3f} ± {one.half_width:.3f}" if one.half_width is not None else ""
    cells = [
        Cell(f"trial {one.number}", tags=(record.reference,) if record.reference else ()),
        figure_cell(one.bpb),
        figure_cell(one.novel_bpb),
        figure_cell(one.perplexity, 1),
        figure_cell(one.sampled_collapse_rate),
        figure_cell(one.greedy_collapse_rate),
        figure_cell(one.fitness),
        Cell(behind, kind="n"),
        count_cell(record.architecture.num_params),
        Cell(record.architecture.describe(), kind="shape"),
    ]
    return "best" if one.number == chosen else "", cells


def _half_width(prompts: int) -> float:
    """Half of a 95% interval of a share near one half, by the normal approximation."""
    return 1.96 * 0.5 / math.sqrt(prompts)
