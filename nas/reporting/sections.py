"""The lower part of the page: samples, all trials, and where everything comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.records import StudyRecord, TrialRecord, completed, front
from nas.reporting.markup import Cell, Row, code, count_cell, figure_cell, paragraph, section, table, text
from nas.reporting.samples import Sample
from nas.reporting.words import duration, title

PROMPTS_SHOWN = 6
SAMPLES_NOTICE = (
    "This page holds samples: prompts from the corpus and what models wrote after them. If the corpus is "
    "private, treat this file as private too."
)

_TRIAL_HEADS = (
    "trial",
    "fitness",
    "bits per byte",
    "on novel lines",
    "sampled",
    "greedy",
    "params",
    "lr ×",  # noqa: RUF001 - the sign is shown to people
    "architecture",
    "state",
)


def compared(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials whose samples stand side by side: the best of the search, then the references."""
    ranked = completed(records)
    return [one for one in ranked if not one.reference][:1] + [one for one in ranked if one.reference]


def samples_section(records: Sequence[TrialRecord], samples: Mapping[int, Sequence[Sample]]) -> str:
    shown = [one for one in compared(records) if samples.get(one.number)]
    if not shown:
        return section("Samples", paragraph("This study has no samples.", "soft"))
    first = sorted(samples[shown[0].number], key=lambda one: one.index)
    prompts = list(dict.fromkeys(one.prompt for one in first))[:PROMPTS_SHOWN]
    written = {
        (one.number, sample.prompt, sample.mode): sample for one in shown for sample in reversed(samples[one.number])
    }
    parts = []
    for position, prompt in enumerate(prompts, start=1):
        columns = "".join(
            f"<div><h4>{text(title(one))}</h4>"
            + "".join(_completion(mode, written.get((one.number, prompt, mode))) for mode in ("sampled", "greedy"))
            + "</div>"
            for one in shown
        )
        parts.append(f'<h3>Prompt {position}</h3>\n{code(prompt, "prompt")}\n<div class="models">{columns}</div>')
    return section(
        "Samples",
        paragraph(SAMPLES_NOTICE, "note"),
        paragraph(
            "The same prompts for every model, the prompt once and below it what each wrote next. Nothing here was "
            "chosen by hand. Collapsed completions are marked with the rule that fired.",
            "soft",
        ),
        *parts,
    )


def _completion(mode: str, sample: Sample | None) -> str:
    if sample is None:
        return f'<p class="decoding">{mode}: none</p>'
    verdict = f", <b>collapsed: {text(sample.rule)}</b>" if sample.rule else ""
    return f'<p class="decoding">{mode}{verdict}</p>' + code(sample.completion, "collapsed" if sample.rule else "")


def trials_section(records: Sequence[TrialRecord]) -> str:
    """Every ended trial, the ranked ones first; those without a result are dimmed and say why."""
    ranked = completed(records)
    on_front = {one.number for one in front(records)}
    rest = [one for one in records if not one.is_complete]
    rows = [_trial_row(one, on_front, is_best=index == 0) for index, one in enumerate(ranked)]
    rows += [_trial_row(one, on_front, is_best=False) for one in rest]
    return section(
        "All trials",
        paragraph(
            "By fitness, then those without a result. On novel lines is bits per byte on the lines that stand in no "
            "training document. Sampled and greedy are collapse rates by decoding. “Front” marks "
            "trials that no other beats in bits per byte, collapse rate and parameters at once. Click a column to "
            "sort.",
            "soft",
        ),
        table(_TRIAL_HEADS, rows, numeric=_TRIAL_HEADS[:8], sortable=True),
    )


def _trial_row(record: TrialRecord, on_front: set[int], *, is_best: bool) -> Row:
    judged = record.validation
    tags = ((record.reference,) if record.reference else ()) + (("front",) if record.number in on_front else ())
    state = record.state.lower() if record.state != "FAIL" else "failed"
    reason = Cell(f"{state}: {record.reason}", kind="wrap") if record.reason else Cell(state)
    cells = [
        Cell(str(record.number), record.number, "n"),
        figure_cell(record.fitness),
        figure_cell(record.val_bpb),
        figure_cell(record.val_novel_bpb),
        figure_cell(judged.sampled_collapse_rate if judged else None),
        figure_cell(judged.greedy_collapse_rate if judged else None),
        count_cell(record.architecture.num_params),
        figure_cell(record.lr_multiplier, 2),
        Cell(record.architecture.describe(), tags=tags),
        reason,
    ]
    kind = "" if record.is_complete else "aside"
    return "best" if is_best else kind, cells


def provenance(study: StudyRecord) -> dict[str, Mapping[str, Any]]:
    """Corpus, compressors, phases, identity, machine: whatever the study wrote down, by heading."""
    identity = {"seed": study.seed, "collapse weight": study.collapse_weight, "schema": study.schema_version}
    return {
        "Corpus": study.corpus,
        "Compressors, bits per byte": study.compressors,
        "Time by phase, summed over runs": {name: duration(seconds) for name, seconds in study.measured.items()},
        "Provenance": study.provenance,
        "Identity": {**identity, **study.identity},
        "Search space": study.space,
    }
