"""Samples of a study's models: `samples/0007.jsonl` has one completion of trial 7 per line. They are untrusted text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas.errors import StudyError
from nas.records.json_lines import read_json_lines
from nas.records.trial import TrialRecord
from nas.report.parts.words import title
from nas.report.study.view import StudyView

PROMPTS_SHOWN = 6
_MODES: tuple[Literal["sampled", "greedy"], ...] = ("sampled", "greedy")


class Sample(BaseModel):
    """One completion of one prompt."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    index: int
    prompt: str
    completion: str
    mode: Literal["sampled", "greedy"]
    rule: str | None = None
    """The collapse rule that fired; None when the completion has not collapsed."""


@dataclass(frozen=True)
class Column:
    """The completions of one trial after one prompt."""

    name: str
    completions: dict[str, Sample | None]
    """Decoding -> completion; None where there is none."""


@dataclass(frozen=True)
class Prompt:
    """A prompt, and what the compared trials wrote after it."""

    text: str
    columns: Sequence[Column]


def read_samples(folder: Path, numbers: Iterable[int]) -> dict[int, list[Sample]]:
    """Return the samples of the given trials of the study in `folder`; a trial without a file is left out.

    StudyError when a line before the last is not a sample; a torn last line is left out.
    """
    samples: dict[int, list[Sample]] = {}
    for number in numbers:
        path = folder / "samples" / f"{number:04d}.jsonl"
        if path.is_file():
            samples[number] = read_json_lines(path, Sample, "sample", StudyError)
    return samples


def excerpts_of(samples: Mapping[int, Sequence[Sample]]) -> dict[int, str]:
    """Return trial -> what it wrote, sampled, after the first prompt: the same for all trials, not picked by hand."""
    excerpts = {}
    for number, written in samples.items():
        sampled = [sample for sample in written if sample.mode == "sampled"]
        if sampled:
            excerpts[number] = min(sampled, key=lambda sample: sample.index).completion
    return excerpts


def compared_trials(view: StudyView) -> list[TrialRecord]:
    """Return the trials whose samples are shown: the best of the search, other finalists, references."""
    finalists = {result.number for result in view.study.verdict}
    others = [record for record in view.searched[1:] if record.number in finalists]
    return [*view.searched[:1], *others, *view.references]


def prompts_of(view: StudyView, samples: Mapping[int, Sequence[Sample]]) -> list[Prompt]:
    """Return the first prompts with the completions of the compared trials; none without samples of them."""
    shown = [record for record in compared_trials(view) if samples.get(record.number)]
    if not shown:
        return []
    first = sorted(samples[shown[0].number], key=lambda sample: sample.index)
    texts = list(dict.fromkeys(sample.prompt for sample in first))[:PROMPTS_SHOWN]
    return [Prompt(text, [_column(record, text, samples[record.number]) for record in shown]) for text in texts]


def _column(record: TrialRecord, prompt: str, samples: Sequence[Sample]) -> Column:
    def completion(mode: str) -> Sample | None:
        return next((sample for sample in samples if (sample.prompt, sample.mode) == (prompt, mode)), None)

    return Column(title(record), {mode: completion(mode) for mode in _MODES})
