"""Completions on disk, one JSON object per line, in the fields of the predecessor experiment (the origin)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nas.errors import UsageError, validation_message
from nas.system.files import write_text


class Completion(BaseModel):
    """A prompt, its completion, and how it was generated; only `completion` is required, other keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    index: int | None = None
    """Index of the prompt among all prompts."""
    prompt: str | None = Field(default=None, strict=True)
    """None where the file does not contain it."""
    completion: str = Field(strict=True)
    elapsed_sec: float | None = None
    """Wall time of the batch divided by its number of prompts."""
    mode: str | None = None
    """The protocol's name, in files written by nas.evaluate."""
    run_id: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    ended: bool = False
    """Whether the model ended the text itself, before a limit did."""

    @field_validator("prompt", "completion")
    @classmethod
    def _without_lone_surrogates(cls, text: str | None) -> str | None:
        """Replace halves of surrogate pairs, which JSON can spell and no encoding can write."""
        return text and text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def read_completions(path: Path) -> list[Completion]:
    """Return every completion of a JSONL file; raise UsageError with the line number for one that cannot be read."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read completions {path}: {error.strerror or error}") from None
    completions = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not completions:
        raise UsageError(f"{path} holds no completions; write one JSON object per line with a key 'completion'")
    return completions


def write_completions(completions: Sequence[Completion], rules: Sequence[str | None], path: Path) -> None:
    """Write completions as `read_completions` reads them, each with the detector's rule as its last key.

    The file is ASCII: a model may write U+0085 or U+2028, at which some readers end a line.
    """
    lines = [completion.model_dump() | {"rule": rule} for completion, rule in zip(completions, rules, strict=True)]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def _parse(line: bytes, place: str) -> Completion:
    try:
        values: Any = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{place} is not UTF-8; correct or remove it") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not JSON ({error}); correct or remove it") from None
    if not isinstance(values, Mapping):
        raise UsageError(f"{place} is not a JSON object but {type(values).__name__}; correct or remove it")
    try:
        return Completion.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{validation_message(error, f'{place}:')}; correct or remove it") from None
