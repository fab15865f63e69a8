"""Completions on disk, one JSON object a line, in the fields of the experiment that this project grew out of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nas.errors import UsageError, validation_message
from nas.system.files import write_text


class Completion(BaseModel):
    """What was asked, what was written, and how. Only `completion` has to be there; other keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    index: int | None = None
    """The prompt's place among all prompts."""
    prompt: str | None = Field(default=None, strict=True)
    """None where a file does not tell it."""
    completion: str = Field(strict=True)
    elapsed_sec: float | None = None
    """Wall time of the batch over its prompts."""
    mode: str | None = None
    """The protocol's name, in files of ours."""
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
        """JSON can spell halves of a character; no encoding can write them."""
        return text and text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


def read_completions(path: Path) -> list[Completion]:
    """Every completion of a JSONL file; UsageError, with the number of the line, for what cannot be read."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot read completions {path}: {error.strerror or error}") from None
    found = [_parsed(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise UsageError(f"{path} holds no completions; it takes one JSON object a line with a key 'completion'")
    return found


def write_completions(completions: Sequence[Completion], rules: Sequence[str | None], path: Path) -> None:
    """Write what `read_completions` reads, each with the detector's rule behind it.

    In ASCII: a model may write U+0085 or U+2028, at which some readers end a line.
    """
    lines = [one.model_dump() | {"rule": rule} for one, rule in zip(completions, rules, strict=True)]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def _parsed(line: bytes, place: str) -> Completion:
    try:
        values: Any = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{place} is not UTF-8; mend or remove it") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not JSON ({error}); mend or remove it") from None
    if not isinstance(values, Mapping):
        raise UsageError(f"{place} is not an object of keys, found {type(values).__name__}; mend or remove it")
    try:
        return Completion.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{validation_message(error, f'{place}:')}; mend or remove it") from None
