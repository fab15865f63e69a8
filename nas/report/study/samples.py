"""What the models of a study wrote: `samples/0007.jsonl`, one line a completion of trial 7. Untrusted text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas.errors import StudyError
from nas.records.json_lines import read_json_lines


class Sample(BaseModel):
    """One completion of one prompt."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    index: int
    prompt: str
    completion: str
    mode: Literal["sampled", "greedy"]
    rule: str | None = None
    """The collapse rule that fired; None when the completion has not collapsed."""


def read_samples(folder: Path, numbers: Iterable[int]) -> dict[int, list[Sample]]:
    """The samples of the given trials of the study in `folder`; a trial without a file is left out.

    StudyError when a line before the last is not a sample; a torn last line is left out.
    """
    found: dict[int, list[Sample]] = {}
    for number in numbers:
        path = folder / "samples" / f"{number:04d}.jsonl"
        if path.is_file():
            found[number] = read_json_lines(path, Sample, "sample", StudyError)
    return found


def excerpts_of(samples: Mapping[int, Sequence[Sample]]) -> dict[int, str]:
    """Trial -> what it wrote, sampled, after the first prompt of all: the same for every trial, chosen by nobody."""
    found = {}
    for number, written in samples.items():
        first = min((one for one in written if one.mode == "sampled"), key=lambda one: one.index, default=None)
        if first is not None:
            found[number] = first.completion
    return found
