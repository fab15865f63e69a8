"""A spool: the texts of a corpus in one file on disk, with the facts about each document in memory.

With it, a corpus larger than memory can be cleaned, compared and split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from nas.corpus.documents import Document


@dataclass(frozen=True)
class Entry:
    """The facts about a document of a spool, without its text."""

    index: int
    """Its position in the order of reading."""
    name: str
    package: str
    split: str | None
    num_bytes: int
    offset: int
    order: str
    """SHA-256 of the seed and the text: the key of a shuffled order that does not depend on names or paths."""


class Spool:
    """A temporary file to which documents are added in order, and whose texts are then read by entry."""

    def __init__(self, path: Path, seed: int) -> None:
        self.entries: list[Entry] = []
        self._path = path
        self._seed = seed
        self._file = path.open("w+b")
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)

    @property
    def num_bytes(self) -> int:
        return self._end

    def add(self, document: Document) -> None:
        data = document.text.encode()
        order = hashlib.sha256(f"{self._seed}\0".encode() + data).hexdigest()
        self._file.write(data)
        self.entries.append(
            Entry(
                index=len(self.entries),
                name=document.name,
                package=document.package,
                split=document.split,
                num_bytes=len(data),
                offset=self._end,
                order=order,
            )
        )
        self._end += len(data)

    def data(self, entry: Entry) -> bytes:
        """Return the text of an entry in UTF-8."""
        self._file.seek(entry.offset)
        return self._file.read(entry.num_bytes)

    def texts(self, entries: Iterable[Entry]) -> Iterator[str]:
        for entry in entries:
            yield self.data(entry).decode()
