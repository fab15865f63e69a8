"""Prepared data: a corpus read, split and encoded once, then opened by every trial of every search.

One folder of the cache holds one corpus under one split seed:

    manifest.json             what is here; written last, so that its existence means completeness
    text/SPLIT.bin            the documents in UTF-8, each ended by a NUL byte
    novel/SPLIT.bin           of validation and holdout: for each byte of the text a 1 in novel lines, else a 0
    vocabularies/NAME.json    tokenizers, trained on the train split only
    tokens/NAME/SPLIT.bin     the same documents as token ids, to be memory-mapped
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nas.corpus.split_files import SPLITS, novel_file, text_file
from nas.errors import CacheError, UsageError, unknown_name
from nas.tokenizer.vocabulary import TokenType, Vocabulary, token_dtype

_BLOCK_BYTES = 1 << 22
MANIFEST = "manifest.json"
FORMAT_VERSION = 3
"""Part of what names a corpus in the cache: raise it whenever the same source would give other files."""
MANIFEST_KEYS = {"format", "source", "content_hash", "split_seed", "counts", "splits", "vocabularies", "files"}


@dataclass(frozen=True)
class PreparedData:
    """A complete folder of the cache and the vocabularies asked for. Cheap to pickle: files are opened on use, only the
    manifest goes along."""

    folder: Path
    vocabulary_names: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """All vocabularies of a folder; CacheError when a file of it is missing or changed."""
        manifest = read_manifest(folder)
        if damage := find_damage(folder, manifest):
            raise CacheError(f"data cache {folder} is damaged: {damage}; prepare the data again")
        return cls(folder, tuple(manifest["vocabularies"]))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What is in the folder, as plain data; the source is the first that led to this content.

        Its keys are MANIFEST_KEYS. A split has `documents` and `bytes` (NULs counted), and those of
        evaluation a `seen_line_share` (nas/corpus/novel_lines.py). A vocabulary has its real `size`, `tokens`
        by split, and `validation_bytes_per_token`.
        """
        return read_manifest(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        """With the manifest, by which another machine finds or makes the same data (nas/data/relocation.py)."""
        return {**self.__dict__, "manifest": self.manifest}

    @property
    def corpus_hash(self) -> str:
        """SHA-256 of names and contents of the documents."""
        return str(self.manifest["content_hash"])

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """The real number of ids of each vocabulary that was asked for: a small corpus may end a BPE early."""
        return {name: self._facts(name)["size"] for name in self.vocabulary_names}

    def vocabulary(self, name: str) -> Vocabulary:
        self._facts(name)
        return Vocabulary.load(self.folder / vocabulary_file(name))

    def tokens(self, name: str, split: str) -> np.memmap[Any, TokenType]:
        """The token ids of a split, shape (tokens,), read-only; uint16 where every id fits, else uint32."""
        dtype = token_dtype(self._facts(name)["size"])
        with _readable(self.folder):
            return np.memmap(self.folder / tokens_file(name, split), dtype=dtype, mode="r")

    def bytes_per_token(self, name: str) -> float:
        """On the train split."""
        return float(self.manifest["splits"]["train"]["bytes"]) / int(self._facts(name)["tokens"]["train"])

    def documents(self, split: str) -> list[str]:
        """The texts of a split, without their NULs."""
        with _readable(self.folder):
            return read_documents(self.folder, split)

    def evaluation_documents(self, split: str, num_bytes: int) -> list[str]:
        """The first whole documents of a split that fit within `num_bytes`, each counted with its NUL.

        Where at least half of the bytes would stay unused the next document is added too, cut after
        its last whole line that fits. At least one character in any case.
        """
        chosen: list[str] = []
        room = num_bytes
        for text in self.documents(split):
            data = text.encode()
            if len(data) + 1 > room:
                if 2 * room >= num_bytes:
                    chosen.append(_cut_at_line_end(data, room - 1) or text[:1])
                break
            chosen.append(text)
            room -= len(data) + 1
        return chosen

    def evaluation_bytes(self, split: str, num_bytes: int) -> bytes:
        """`evaluation_documents` as every vocabulary's tokens decode to: UTF-8, a NUL after each."""
        return join_documents(self.evaluation_documents(split, num_bytes))

    def novel_bytes(self, split: str, num_bytes: int) -> NDArray[np.bool_]:
        """Which bytes of `evaluation_bytes` stand in novel lines (nas/corpus/novel_lines.py), (bytes,).

        A line that was cut keeps the mark it has as a whole.
        """
        count = len(self.evaluation_bytes(split, num_bytes))
        with _readable(self.folder):
            mask = np.fromfile(self.folder / novel_file(split), dtype=np.bool_, count=count)
        mask[-1] = False  # the NUL of a document that was cut stands where its text goes on
        return mask

    def about(self, vocabularies: Sequence[str]) -> dict[str, Any]:
        """What a study writes down of its data: the manifest without files and packages, of its vocabularies these."""
        kept = {key: value for key, value in self.manifest.items() if key not in ("files", "packages")}
        return kept | {"vocabularies": {name: self._facts(name) for name in vocabularies}}

    def _facts(self, name: str) -> dict[str, Any]:
        vocabularies: dict[str, dict[str, Any]] = self.manifest["vocabularies"]
        if name not in vocabularies:
            raise UsageError(unknown_name("vocabulary", name, vocabularies))
        return vocabularies[name]


def find_damage(folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """What is wrong with the first bad file, or None. Token files are judged by their size only."""
    for relative, expected in manifest["files"].items():
        path = folder / relative
        try:
            size = path.stat().st_size
            if size != expected["bytes"]:
                return f"{relative} has {size:,} bytes, not {expected['bytes']:,}"
            if "sha256" in expected:
                with path.open("rb") as file:  # in pieces: a split may be larger than memory
                    if hashlib.file_digest(file, "sha256").hexdigest() != expected["sha256"]:
                        return f"{relative} has changed since it was written"
        except OSError as error:
            return f"{relative}: {error.strerror}"
    return None


def read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise CacheError(f"cannot read data cache {folder}: {error.strerror}") from None
    except ValueError:
        raise CacheError(f"data cache {folder} is damaged: {MANIFEST} is not JSON") from None
    if not isinstance(manifest, dict) or not manifest.keys() >= MANIFEST_KEYS:
        raise CacheError(f"data cache {folder} is damaged: {MANIFEST} lacks some of {', '.join(sorted(MANIFEST_KEYS))}")
    return manifest


def vocabulary_file(name: str) -> str:
    return f"vocabularies/{name}.json"


def tokens_file(name: str, split: str) -> str:
    assert split in SPLITS, split
    return f"tokens/{name}/{split}.bin"


def join_documents(texts: Sequence[str]) -> bytes:
    return b"".join([text.encode() + b"\0" for text in texts])


def read_documents(folder: Path, split: str) -> list[str]:
    return (folder / text_file(split)).read_bytes().decode().split("\0")[:-1]


def iterate_documents(folder: Path, split: str) -> Iterator[str]:
    """As `read_documents`, a block of the file at a time."""
    with (folder / text_file(split)).open("rb") as file:
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            *whole, rest = (rest + block).split(b"\0")
            yield from (data.decode() for data in whole)


def _cut_at_line_end(data: bytes, num_bytes: int) -> str:
    """The whole lines within the first bytes, or where not one line fits, the whole characters."""
    head = data[: max(num_bytes, 0)]
    return head[: head.rfind(b"\n") + 1 or len(head)].decode(errors="ignore")


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CacheError(f"cannot read data cache {folder}: {reason}; prepare the data again") from None
