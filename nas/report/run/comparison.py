"""The top of a page of several full trainings: side by side, and what differs between them."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.training import TrainingRun
from nas.report.parts.key_values import flat
from nas.report.parts.markup import paragraph, section, table
from nas.report.parts.tables import Cell, Row, count_cell, figure_cell
from nas.report.parts.words import MISSING
from nas.report.run.verdict import KICKER, rollbacks
from nas.report.run.words import labels, standing

_HEADS = (
    "run",
    "bits per byte",
    "on novel lines",
    "holdout",
    "collapse, sampled",
    "collapse, greedy",
    "params",
    "FLOPs",
    "architecture",
    "state",
)


def comparison_section(runs: Sequence[TrainingRun]) -> str:
    """Title, the runs by their best evaluation, warnings where their figures are not of the same bytes."""
    named = sorted(zip(labels(runs), runs, strict=True), key=lambda one: _worth(one[1]))
    parts = [
        KICKER,
        f"<h1>{len(runs)} runs</h1>",
        paragraph(
            "By their best evaluation on validation, lower is better, each with the FLOPs that it took to get there; "
            "the curves compare them at equal FLOPs.",
            "soft",
        ),
        _other_bytes(runs),
        table(_HEADS, [_row(name, run) for name, run in named], numeric=_HEADS[1:8], sortable=True),
        *(rollbacks(run, f"{name}: the loss") for name, run in named),
    ]
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def differences_section(runs: Sequence[TrainingRun]) -> str:
    """Every setting that is not the same in all runs, a column a run."""
    settings = [dict(flat(run.record.model_dump(exclude={"command"}))) for run in runs]
    keys = dict.fromkeys(key for one in settings for key in one)
    differing = [key for key in keys if len({one.get(key) for one in settings}) > 1]
    rows: list[Row] = [
        ("", [Cell(key), *(Cell(one.get(key, MISSING), kind="wrap") for one in settings)]) for key in differing
    ]
    if not rows:
        return section("What differs", paragraph("Nothing: architecture, recipe, numerics and corpus are the same."))
    return section("What differs", table(("setting", *labels(runs)), rows))


def _worth(run: TrainingRun) -> float:
    return run.best.val_bpb if run.best else float("inf")


def _other_bytes(runs: Sequence[TrainingRun]) -> str:
    if len({run.record.corpus_hash for run in runs}) > 1:
        return paragraph("The runs have different corpora, so their bits per byte are of different texts.", "callout")
    if len({run.record.validation_bytes for run in runs}) > 1:
        return paragraph(
            "The runs read different amounts of validation text, so small differences in bits per byte say little; "
            "the holdout is the same for all.",
            "callout",
        )
    return ""


def _row(name: str, run: TrainingRun) -> Row:
    best, judged, architecture = run.best, run.summary.holdout if run.summary else None, run.record.architecture
    flops = Cell(f"{best.train_flops:.3g}", best.train_flops, "n") if best else Cell(MISSING, kind="n")
    cells = [
        Cell(name),
        figure_cell(best.val_bpb if best else None, 4),
        figure_cell(best.val_novel_bpb if best else None, 4),
        figure_cell(judged.bpb if judged else None, 4),
        figure_cell(judged.sampled_collapse_rate if judged else None),
        figure_cell(judged.greedy_collapse_rate if judged else None),
        count_cell(architecture.num_params),
        flops,
        Cell(architecture.describe()),
        Cell(standing(run)),
    ]
    return "", cells
