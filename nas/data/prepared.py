"""Prepared data: a corpus that is built, split and encoded once, and opened by every trial of every search.

A folder of the cache has one corpus with one split seed:

    manifest.json             facts about the folder; written last, so that its existence means completeness
    text/SPLIT.bin            the documents in UTF-8, each followed by a NUL byte
    novel/SPLIT.bin           for validation and holdout: 1 for each byte of the text in a novel line, else 0
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
"""Part of the key of a corpus in the cache: raise it whenever the same corpus would give other files."""
MANIFEST_KEYS = {
    "format", "source", "recipe", "source_hashes", "content_hash", "split_seed", "counts", "splits", "vocabularies",
    "files",
}  # fmt: skip


@dataclass(frozen=True)
class PreparedData:
    """A complete folder of prepared data, and the requested vocabularies.

    It is cheap to pickle: files are opened on use, and only the manifest is sent.
    """

    folder: Path
    vocabulary_names: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder with all its vocabularies; raise CacheError if a file is missing or changed."""
        manifest = read_manifest(folder)
        if damage := find_damage(folder, manifest):
            raise CacheError(f"data cache {folder} is damaged: {damage}; prepare the data again")
        return cls(folder, tuple(manifest["vocabularies"]))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The facts about the folder as plain data, with at least MANIFEST_KEYS.

        `source` is the corpus as the user named it (--corpus) when the folder was built. A split has `documents` and
        `bytes` (including NULs); validation and holdout also have a `seen_line_share` (nas/corpus/novel_lines.py). A
        vocabulary has its real `size`, `tokens` by split, and `validation_bytes_per_token`.
        """
        return read_manifest(self.folder)

    def __getstate__(self) -> dict[str, Any]:
        # The manifest goes along, so that another machine can find or build the same data (nas/data/relocation.py).
        return {**self.__dict__, "manifest": self.manifest}

    @property
    def corpus_hash(self) -> str:
        """Hash of the texts of the three splits."""
        return str(self.manifest["content_hash"])

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        """The real number of ids of each requested vocabulary; a small corpus may yield fewer ids than requested."""
        return {name: self._vocabulary_entry(name)["size"] for name in self.vocabulary_names}

    def vocabulary(self, name: str) -> Vocabulary:
        self._vocabulary_entry(name)
        return Vocabulary.load(self.folder / vocabulary_file(name))

    def tokens(self, name: str, split: str) -> np.memmap[Any, TokenType]:
        """Return the token ids of a split, (tokens,), read-only; uint16 if every id fits, else uint32."""
        dtype = token_dtype(self._vocabulary_entry(name)["size"])
        with _readable(self.folder):
            return np.memmap(self.folder / tokens_file(name, split), dtype=dtype, mode="r")

    def bytes_per_token(self, name: str) -> float:
        """Return the mean bytes per token of a vocabulary on the train split."""
        return float(self.manifest["splits"]["train"]["bytes"]) / int(self._vocabulary_entry(name)["tokens"]["train"])

    def documents(self, split: str) -> list[str]:
        """Return the texts of a split, without their NULs."""
        with _readable(self.folder):
            return read_documents(self.folder, split)

    def evaluation_documents(self, split: str, num_bytes: int) -> list[str]:
        """Return the first whole documents of a split that fit into `num_bytes`, each counted with its NUL.

        If at least half of the bytes would stay unused, the next document is added too, cut after its last line that
        fits. The result has at least one character.
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
        """Return `evaluation_documents` in UTF-8 with a NUL after each, the bytes that tokens decode to."""
        return join_documents(self.evaluation_documents(split, num_bytes))

    def novel_bytes(self, split: str, num_bytes: int) -> NDArray[np.bool_]:
        """Return a mask of the bytes of `evaluation_bytes` in novel lines (nas/corpus/novel_lines.py), (bytes,).

        A line that was cut keeps the mark of the whole line.
        """
        count = len(self.evaluation_bytes(split, num_bytes))
        with _readable(self.folder):
            mask = np.fromfile(self.folder / novel_file(split), dtype=np.bool_, count=count)
        mask[-1] = False  # the NUL of a cut document takes the place of a byte of its text
        return mask

    def manifest_for(self, vocabularies: Sequence[str]) -> dict[str, Any]:
        """Return what a study records about its data: the manifest of these vocabularies without files and packages."""
        kept = {key: value for key, value in self.manifest.items() if key not in ("files", "packages")}
        return kept | {"vocabularies": {name: self._vocabulary_entry(name) for name in vocabularies}}

    def _vocabulary_entry(self, name: str) -> dict[str, Any]:
        vocabularies: dict[str, dict[str, Any]] = self.manifest["vocabularies"]
        if name not in vocabularies:
            raise UsageError(unknown_name("vocabulary", name, vocabularies))
        return vocabularies[name]


def find_damage(folder: Path, manifest: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the first damaged file, or None; only the size of token files is checked."""
    for relative, expected in manifest["files"].items():
        path = folder / relative
        try:
            size = path.stat().st_size
            if size != expected["bytes"]:
                return f"{relative} has {size:,} bytes, not {expected['bytes']:,}"
            if "sha256" in expected:
                with path.open("rb") as file:  # in blocks, as a split may be larger than memory
                    if hashlib.file_digest(file, "sha256").hexdigest() != expected["sha256"]:
                        return f"{relative} has changed since it was written"
        except OSError as error:
            return f"{relative}: {error.strerror}"
    return None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder; raise CacheError if it is missing, damaged or of another kind."""
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
    """Yield the documents of `read_documents`, reading one block of the file at a time."""
    with (folder / text_file(split)).open("rb") as file:
        rest = b""
        while block := file.read(_BLOCK_BYTES):
            *whole, rest = (rest + block).split(b"\0")
            yield from (data.decode() for data in whole)


def _cut_at_line_end(data: bytes, num_bytes: int) -> str:
    """Return the whole lines within the first bytes, or the whole characters if no line fits."""
    head = data[: max(num_bytes, 0)]
    return head[: head.rfind(b"\n") + 1 or len(head)].decode(errors="ignore")


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CacheError(f"cannot read data cache {folder}: {reason}; prepare the data again") from None
