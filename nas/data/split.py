"""The three splits of a corpus: train; validation, which a search may look at; holdout, for verdicts only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nas.data.corpus import Document
from nas.errors import CorpusError

EVALUATION_SHARE = 0.05
MAX_EVALUATION_SHARE = 0.15
MIN_EVALUATION_BYTES = 200_000


@dataclass(frozen=True)
class Split:
    """Whole documents, each in one split only, in hashed order."""

    train: tuple[Document, ...]
    validation: tuple[Document, ...]
    holdout: tuple[Document, ...]


def split_documents(documents: Sequence[Document], seed: int) -> Split:
    """Split by whole document, in the order of SHA-256 of (seed, content).

    Validation and holdout each get EVALUATION_SHARE of the bytes, or MIN_EVALUATION_BYTES where
    that is more, but never over MAX_EVALUATION_SHARE; a document that would exceed it stays in train.

    The order depends on contents and the seed, not on names or on the order given. Validation is
    taken from its front and holdout from its back, so when a corpus gains or loses a few files
    only documents at the two borders move, to or from train, not from validation to holdout.

    Raises CorpusError when the documents are too few or too uneven to fill all three.
    """
    ordered = sorted(documents, key=lambda document: _order(document, seed))
    total = sum(document.num_bytes for document in ordered)
    most = MAX_EVALUATION_SHARE * total
    target = min(max(EVALUATION_SHARE * total, MIN_EVALUATION_BYTES), most)
    validation = _take(ordered, target, most)
    rest = _without(ordered, validation)
    holdout = _take(reversed(rest), target, most)
    train = _without(rest, holdout)
    if not (train and validation and holdout):
        raise CorpusError(
            f"{len(ordered)} documents with {total:,} bytes cannot be split into train, validation and holdout; "
            f"use more and smaller files (at most {MAX_EVALUATION_SHARE:.0%} of the bytes go to each of the last two)"
        )
    return Split(tuple(train), tuple(validation), tuple(reversed(holdout)))


def _order(document: Document, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{document.text}".encode()).hexdigest()


def _without(documents: Iterable[Document], taken: Iterable[Document]) -> list[Document]:
    gone = set(taken)
    return [document for document in documents if document not in gone]


def _take(documents: Iterable[Document], target: float, most: float) -> list[Document]:
    """The first documents that reach `target` bytes and do not exceed `most`."""
    taken: list[Document] = []
    num_bytes = 0
    for document in documents:
        if num_bytes >= target:
            break
        if num_bytes + document.num_bytes <= most:
            taken.append(document)
            num_bytes += document.num_bytes
    return taken
