"""Samples side by side: what the best, the references and the finalists wrote after the same prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas.records.study import StudyRecord, TrialRecord, completed
from nas.report.parts.markup import behind, code, paragraph, section, text
from nas.report.parts.words import title
from nas.report.study.samples import Sample

PROMPTS_SHOWN = 6
SAMPLES_NOTICE = (
    "This page holds samples: prompts from the corpus and what models wrote after them. If the corpus is "
    "private, treat this file as private too."
)
_OPEN = 2
"""So many prompts stand open; the rest is a click away."""


def compared(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials whose samples stand side by side: the best of the search, then the references."""
    ranked = completed(records)
    return [one for one in ranked if not one.reference][:1] + [one for one in ranked if one.reference]


def columns_of(study: StudyRecord, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """`compared`, with the other finalists between the best and the references."""
    shown = compared(records)
    finalists = {one.number for one in study.verdict} - {one.number for one in shown}
    own = [one for one in completed(records) if one.number in finalists]
    return [one for one in shown if not one.reference] + own + [one for one in shown if one.reference]


def samples_section(study: StudyRecord, records: Sequence[TrialRecord], samples: Mapping[int, Sequence[Sample]]) -> str:
    shown = [one for one in columns_of(study, records) if samples.get(one.number)]
    if not shown:
        return section("Samples", paragraph("This study has no samples.", "soft"))
    first = sorted(samples[shown[0].number], key=lambda one: one.index)
    prompts = list(dict.fromkeys(one.prompt for one in first))[:PROMPTS_SHOWN]
    written: dict[tuple[int, str, str], Sample] = {
        (one.number, sample.prompt, sample.mode): sample for one in shown for sample in reversed(samples[one.number])
    }
    parts = [_beside(position, prompt, shown, written) for position, prompt in enumerate(prompts, start=1)]
    more = [behind(f"{len(parts) - _OPEN} more prompts", *parts[_OPEN:])] if len(parts) > _OPEN else []
    return section(
        "Samples",
        paragraph(SAMPLES_NOTICE, "note"),
        paragraph(
            "The same prompts and random numbers for every model, the prompt once and below it what each wrote next. "
            "Nothing here was chosen by hand. Collapsed completions are marked with the rule that fired.",
            "soft",
        ),
        *parts[:_OPEN],
        *more,
    )


def _beside(
    position: int, prompt: str, shown: Sequence[TrialRecord], written: Mapping[tuple[int, str, str], Sample]
) -> str:
    columns = "".join(
        f"<div><h4>{text(title(one))}</h4>"
        + "".join(_completion(mode, written.get((one.number, prompt, mode))) for mode in ("sampled", "greedy"))
        + "</div>"
        for one in shown
    )
    return f'<h3>Prompt {position}</h3>\n{code(prompt, "prompt")}\n<div class="models">{columns}</div>'


def _completion(mode: str, sample: Sample | None) -> str:
    if sample is None:
        return f'<p class="decoding">{mode}: none</p>'
    verdict = f", <b>collapsed: {text(sample.rule)}</b>" if sample.rule else ""
    return f'<p class="decoding">{mode}{verdict}</p>' + code(sample.completion, "collapsed" if sample.rule else "")
