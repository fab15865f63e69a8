"""The middle of the page: the front, what mattered, how the search went; charts and their tables."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.study import StudyRecord, TrialRecord, completed
from nas.report.charts.history import history_figure, hypervolume_figure, volumes
from nas.report.charts.importance import MIN_FOR_IMPORTANCE, importance_figure, importances
from nas.report.charts.parallel import parallel_figure
from nas.report.charts.pareto import pareto_figure
from nas.report.charts.slices import slice_figures
from nas.report.charts.vocabulary import vocabulary_figure
from nas.report.parts.document import embedded
from nas.report.parts.hover import Excerpts
from nas.report.parts.markup import behind, paragraph, section, table, text
from nas.report.parts.measures import MEASURES
from nas.report.parts.scores import at_widest_rung
from nas.report.parts.tables import Cell, Row, figure_cell

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
    records, said = at_widest_rung(records, MIN_FOR_IMPORTANCE)
    importance, caption = importance_figure(records)
    parallel = parallel_figure(records, excerpts)
    slices = slice_figures(records, excerpts)
    parts = [paragraph(said)] if said else []
    parts.append(paragraph(caption, "callout" if "hint" in caption else "soft"))
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
