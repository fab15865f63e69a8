"""Results of an experiment, one JSON line each, in a file that an interrupted experiment resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from nas.errors import StudyError, StudyMismatch
from nas.records.differences import describe_differences
from nas.records.json_lines import read_json_lines
from nas.system.files import write_json, write_text
from nas.system.provenance import provenance

Record = TypeVar("Record", bound=BaseModel)


def read_results(path: Path, kind: type[Record], key_of: Callable[[Record], str]) -> dict[str, Record]:
    """Return the records of `path` by key, in their order; no file holds none, and a torn last line is left out.

    Raises StudyError when another line is not a record of this kind.
    """
    records = read_json_lines(path, kind, "result", StudyError) if path.exists() else []
    return {key_of(record): record for record in records}


class ResultsFile(Mapping[str, Record]):
    """The results of one experiment by key, each computed once and kept as soon as it is there.

    `NAME.provenance.json` next to `NAME.jsonl` has the identity that all lines share, and the command, date,
    machine and revision that began the file.
    """

    def __init__(
        self,
        path: Path,
        kind: type[Record],
        key_of: Callable[[Record], str],
        *,
        identity: Mapping[str, Any],
        command: str,
        num_workers: int,
    ) -> None:
        """Open the file, or begin it. `identity` is everything that decides a result and that no line says itself.

        Raises StudyMismatch when the file was made under another identity, StudyError when a line is damaged.
        """
        self._path, self._key_of = path, key_of
        requested: dict[str, Any] = json.loads(json.dumps(identity))
        provenance_file = path.with_suffix(".provenance.json")
        if provenance_file.exists():
            stored = json.loads(provenance_file.read_text(encoding="utf-8"))["identity"]
            if different := describe_differences(stored, dict.fromkeys(stored) | requested):
                raise StudyMismatch(f"{path} was made with other settings ({different}); use those or another --data")
        else:
            write_json(provenance_file, {"identity": requested, **provenance(command, num_workers)})
        self._records = read_results(path, kind, key_of)
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        if lines[-1] or len(lines) != len(self) + 1:  # a kill has torn the last line
            write_text(path, "".join(record.model_dump_json() + "\n" for record in self.values()))

    def __getitem__(self, key: str) -> Record:
        return self._records[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def has(self, key: str, **settings: Any) -> bool:
        """Return whether the result is there; raise StudyMismatch where it was made with other `settings`.

        `settings` are fields of the record as JSON data.
        """
        if key not in self:
            return False
        stored = self[key].model_dump(mode="json", include=set(settings))
        if different := describe_differences(stored, settings):
            raise StudyMismatch(f"{self._path} holds '{key}' of other settings ({different}); use another --data")
        return True

    def add(self, record: Record) -> None:
        """Append one result; when this returns, the disk has it."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._records[self._key_of(record)] = record
