"""What the models of a study wrote: `samples/0007.jsonl`, one line a completion of trial 7. Untrusted text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nas.architecture import validation_line
from nas.errors import StudyError


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
            found[number] = _read(path)
    return found


def _read(path: Path) -> list[Sample]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    samples = []
    for index, line in enumerate(lines):
        try:
            samples.append(Sample.model_validate_json(line))
        except ValidationError as error:
            if index == len(lines) - 1:  # empty, or torn by a kill in mid-write
                break
            raise StudyError(f"{path}, line {index + 1}: {validation_line(error, 'sample')}") from None
    return samples
