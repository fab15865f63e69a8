"""Learning curves of the trials, what they scored at their rungs, and what the law predicts beyond."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.study import StudyRecord, TrialRecord
from nas.report.charts.learning import best_and_reference, learning_figure, rung_flops, training_bpb
from nas.report.charts.prediction import predicted_path, prediction_figure
from nas.report.parts.document import embedded
from nas.report.parts.markup import behind, paragraph, section, table
from nas.report.parts.tables import Cell, Row, figure_cell
from nas.report.parts.words import flops_words, title
from nas.scaling_law.fitted import ScalingLaw


def learning_section(study: StudyRecord, records: Sequence[TrialRecord], best: TrialRecord | None) -> str:
    if not any(one.curve or one.rungs for one in records):
        return ""
    rungs = rung_flops(records)
    parts = [
        paragraph(
            "Bits per byte while training, each trial a line, against the FLOPs or the bytes it was given. Training "
            "loss is turned into bits per byte, so that vocabularies compare."
            + (
                f" Trials were judged at {len(rungs)} rungs, the dotted verticals: dots are bits per byte on "
                "validation there, after a decay of their own."
                if rungs
                else ""
            ),
            "soft",
        ),
        embedded(
            learning_figure(records, best_and_reference(records, best)), "learning", "Learning curves of all trials"
        ),
    ]
    parts.append(_rung_table(records, rungs) if rungs else _on_the_way_table(records))
    return section("Learning curves", *parts, _prediction(study, records, best))


def _rung_table(records: Sequence[TrialRecord], rungs: Sequence[float]) -> str:
    heads = ("trial", *(f"bits per byte at {flops_words(flops)} FLOPs" for flops in rungs), "architecture")
    rows: list[Row] = []
    for one in records:
        if not one.rungs:
            continue
        at = {rung.rung: rung.val_bpb for rung in one.rungs}
        cells = [Cell(title(one), one.number), *(figure_cell(at.get(place)) for place in range(len(rungs)))]
        rows.append(("" if one.is_complete else "aside", [*cells, Cell(one.architecture.describe())]))
    return behind(
        "What each trial scored at its rungs",
        table(heads, rows, numeric=heads[1:-1], sortable=True, label="Bits per byte at the rungs", tall=len(rows) > 20),
    )


_SHARES = (0.25, 0.5, 0.75, 1.0)


def _on_the_way_table(records: Sequence[TrialRecord]) -> str:
    """Training bits per byte at shares of each trial's own training."""
    heads = ("trial", *(f"after {share:.0%}" for share in _SHARES), "architecture")
    rows: list[Row] = []
    for one in records:
        points = sorted(training_bpb(one), key=lambda point: point[0].train_flops)
        if not points:
            continue
        at = [points[max(0, round(share * len(points)) - 1)][1] for share in _SHARES]
        rows.append(
            ("", [Cell(title(one), one.number), *map(figure_cell, at), Cell(one.architecture.describe(), kind="shape")])
        )
    return behind(
        "Training bits per byte on the way",
        table(heads, rows, numeric=heads[1:-1], sortable=True, label="Training curves", tall=len(rows) > 20),
    )


def _prediction(study: StudyRecord, records: Sequence[TrialRecord], best: TrialRecord | None) -> str:
    law, at = study.law, study.at_target
    if not isinstance(law, ScalingLaw) or at is None:
        return ""
    start = min((rung.train_flops for one in records for rung in one.rungs), default=at.target_flops / 100)
    rows: list[Row] = [
        ("", [Cell(flops_words(flops)), *map(figure_cell, (one.bpb, one.low, one.high))])
        for flops, one in predicted_path(law, at.best, start, at.target_flops, steps=6)
    ]
    return "\n".join(
        [
            "<h3>And beyond the search's budget</h3>",
            paragraph(
                f"The scaling law of {law.num_trials} trials: bits per byte = {law.describe()}, times the effects of "
                "the other choices; N parameters without embeddings, V tokens of vocabulary, D bytes read. The "
                "band is what the fit leaves open, and how far its forecasts were off.",
                "soft",
            ),
            *(paragraph(f"Not to be relied on: {one}.", "callout") for one in at.shortcomings),
            embedded(prediction_figure(law, at, records, best), "prediction", "Predicted bits per byte with its band"),
            behind(
                "The prediction as a table",
                table(("FLOPs", "predicted", "low", "high"), rows, numeric=("predicted", "low", "high"),
                      label="Predicted bits per byte"),
            ),
        ]
    )  # fmt: skip
