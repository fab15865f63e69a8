"""Reading files of records, one JSON object a line, that a running or killed process was appending to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from nas.errors import CodenasError, validation_message

_Record = TypeVar("_Record", bound=BaseModel)


def read_json_lines(path: Path, kind: type[_Record], name: str, error: type[CodenasError]) -> list[_Record]:
    """Return the records of `path` in their order; a torn last line is left out.

    Raises `error` if the file cannot be read, or if a line is not a record; the message calls the record `name`.
    """
    try:
        # Bytes, as a torn line may end inside a character. Not splitlines, as a text may hold other separators.
        lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    except OSError as reason:
        raise error(f"cannot read {path}: {reason.strerror or reason}") from None
    records = []
    for index, line in enumerate(lines if lines != [b""] else []):
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as reason:
            if index == len(lines) - 1 and not _is_json(line):
                break
            raise error(f"{path}, line {index + 1}: {validation_message(reason, name)}") from None
    return records


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
