"""The middle of the page: the front, what mattered, learning curves, how the search went; charts and their tables."""

from __future__ import annotations

from collections.abc import Sequence

from nas.fitted_law import ScalingLaw
from nas.records import StudyRecord, TrialRecord, completed
from nas.reporting.charts.history import history_figure, hypervolume_figure, volumes
from nas.reporting.charts.importance import importance_figure, importances
from nas.reporting.charts.learning import best_and_reference, learning_figure, rung_flops, training_bpb
from nas.reporting.charts.parallel import parallel_figure
from nas.reporting.charts.pareto import pareto_figure
from nas.reporting.charts.prediction import predicted_path, prediction_figure
from nas.reporting.charts.slices import slice_figures
from nas.reporting.charts.vocabulary import vocabulary_figure
from nas.reporting.document import embedded
from nas.reporting.hover import Excerpts
from nas.reporting.markup import Cell, Row, behind, figure_cell, paragraph, section, table, text
from nas.reporting.measures import MEASURES
from nas.reporting.words import flops_words, title

ALL_TRIALS = '<p class="soft">The figures behind it stand in <a href="#all-trials">All trials</a>.</p>'


def front_section(study: StudyRecord, records: Sequence[TrialRecord], excerpts: Excerpts, weight: float) -> str:
    return section(
        "Pareto front",
        paragraph(
            "Each trial on the front can be bettered in one of the two only by losing in the other; lower left is "
            "better. Larger marks have more parameters. Point at one for what it is and how it writes, click it to "
            "find it in every chart and in the table.",
            "soft",
        ),
        _axes(records),
        _slider(study, weight),
        embedded(pareto_figure(records, excerpts), "pareto", "Pareto front: bits per byte against collapse rate"),
        ALL_TRIALS,
    )


def _axes(records: Sequence[TrialRecord]) -> str:
    shown = [one for one in MEASURES if any(one.of(record) is not None for record in completed(records))]

    def select(axis: str, chosen: str) -> str:
        options = "".join(
            f'<option value="{one.name}" data-scale="{one.scale}"{" selected" * (one.name == chosen)}>{text(one.label)}'
            "</option>"
            for one in shown
        )
        # Without it a browser that comes back to the page keeps what was chosen before, and the chart does not.
        return f'<label>{axis} axis<select id="pareto-{axis}" autocomplete="off">{options}</select></label>'

    return f'<div class="controls">{select("x", "val_bpb")}{select("y", "collapse_rate")}</div>'


def _slider(study: StudyRecord, weight: float) -> str:
    most = max(1.0, 2 * study.collapse_weight, 2 * weight)
    return (
        '<div class="controls"><label class="wide"><span>Price of a collapse rate of 1, in bits per byte: '
        f'<output id="weight-value" for="weight">{weight:.2f}</output></span>'
        f'<input type="range" id="weight" min="0" max="{most:g}" step="0.01" value="{weight:g}" data-own="{weight:g}" '
        'autocomplete="off"></label><button type="button" id="weight-reset">reset</button></div>'
        '<p class="soft" id="weight-says" aria-live="polite">Move it to rank all trials anew; nothing is trained.</p>'
    )


def mattered_section(records: Sequence[TrialRecord], excerpts: Excerpts) -> str:
    importance, caption = importance_figure(records)
    parallel = parallel_figure(records, excerpts)
    slices = slice_figures(records, excerpts)
    parts = [paragraph(caption, "callout" if "hint" in caption else "soft")]
    if importance is not None:
        parts += [embedded(importance, "importance", "How much each dimension decides"), _importance_table(records)]
    parts += [
        "<h3>Vocabulary against width</h3>",
        paragraph(
            "The best fitness reached at each vocabulary size and width, brighter is better; empty cells have no "
            "complete trial.",
            "soft",
        ),
        embedded(vocabulary_figure(records), "vocabulary", "Best fitness by vocabulary size and width"),
        ALL_TRIALS,
    ]
    if parallel is not None:
        parts += [
            "<h3>All choices of each trial</h3>",
            paragraph("A line is a trial of the search; the best tenth by fitness in colour.", "soft"),
            embedded(parallel, "parallel", "Parallel coordinates of the trials' choices", is_broad=True),
            ALL_TRIALS,
        ]
    if slices:
        figures = "".join(
            embedded(figure, f"slice-{name.replace('_', '-')}", f"Fitness over {name}")
            for name, figure in slices.items()
        )
        parts.append(
            behind(
                f"Slices: fitness over each of {len(slices)} dimensions",
                paragraph("The other dimensions as they came; the best trial in colour. Lower is better.", "soft"),
                f'<div class="slices">{figures}</div>',
                ALL_TRIALS,
            )
        )
    return section("What mattered", *parts)


def _importance_table(records: Sequence[TrialRecord]) -> str:
    found, _ = importances(records)
    names = sorted(next(iter(found.values())), key=lambda name: -next(iter(found.values()))[name])
    heads = ("dimension", *found)
    rows: list[Row] = [("", [Cell(name), *(figure_cell(found[one].get(name)) for one in found)]) for name in names]
    return behind("The shares as a table", table(heads, rows, numeric=heads[1:], label="Importances"))


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
                "the other choices; N parameters without embeddings, V H those of the vocabulary, D bytes read. The "
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


def history_section(records: Sequence[TrialRecord], excerpts: Excerpts) -> str:
    found = volumes(records)
    rows: list[Row] = [("", [Cell(str(number), number, "n"), figure_cell(volume, 4)]) for number, volume in found]
    return section(
        "How the search went",
        paragraph("Fitness of each complete trial in the order they were started, and the best so far.", "soft"),
        embedded(history_figure(records, excerpts), "history", "Fitness by trial, and the best so far"),
        ALL_TRIALS,
        paragraph(
            "The hypervolume: how much of the plane of bits per byte and collapse rate the front dominates, from the "
            "worst in both. It grows when a trial improves the front anywhere.",
            "soft",
        ),
        embedded(hypervolume_figure(records), "hypervolume", "Hypervolume by trial"),
        behind(
            "The hypervolume as a table",
            table(("after trial", "hypervolume"), rows, numeric=("after trial", "hypervolume"), label="Hypervolume",
                  tall=len(rows) > 20),
        ),
    )  # fmt: skip
