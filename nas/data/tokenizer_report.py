"""What a tokenizer is worth on a corpus: how long its tokens are, which it never uses, whether it is exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nas.data.prepared import PreparedData
from nas.tokenizer.vocabulary import Vocabulary

RARE = 10
"""Seen less often than this in the train split, a token is rare: too seldom for a model to learn it well."""
NUM_LONGEST = 5
CHECKED_SPLITS = ("validation", "holdout")


@dataclass(frozen=True)
class RoundTripFailure:
    """A document that does not come back from its tokens as it was."""

    split: str
    number: int
    """From 1 within the split."""
    at_byte: int
    """The first byte that differs, from 0; the NUL that ends the document counts."""
    first_line: str

    def __str__(self) -> str:
        return f"document {self.number} of {self.split}, at byte {self.at_byte:,}; it begins with {self.first_line!r}"


@dataclass(frozen=True)
class TokenizerReport:
    """All ids count: special tokens of others, which no text is encoded to, are among the unused."""

    name: str
    num_ids: int
    eot_id: int
    bytes_per_token: float
    """On validation, each document's end counted as a byte and as a token."""
    train_tokens: int
    unused_tokens: int
    """Never seen in the train split."""
    rare_tokens: int
    """Seen there, and fewer than RARE times."""
    longest_tokens: tuple[bytes, ...]
    """Of those seen there, the longest first."""
    left_out: tuple[str, ...]
    """What was taken out of a tokenizer of others."""
    checked_documents: int
    failures: tuple[RoundTripFailure, ...]


def report_tokenizer(data: PreparedData, name: str) -> TokenizerReport:
    """Count the tokens of train and validation, and decode every document of validation and holdout."""
    vocabulary = data.vocabulary(name)
    counts = np.bincount(data.tokens(name, "train"), minlength=vocabulary.size)
    seen = sorted(np.flatnonzero(counts).tolist(), key=lambda one: (-len(vocabulary.token_bytes[one]), one))
    documents = {split: data.documents(split) for split in CHECKED_SPLITS}
    failures = [one for split, texts in documents.items() for one in round_trip(vocabulary, split, texts)]
    return TokenizerReport(
        name=name,
        num_ids=vocabulary.size,
        eot_id=vocabulary.eot_id,
        bytes_per_token=data.manifest["splits"]["validation"]["bytes"] / len(data.tokens(name, "validation")),
        train_tokens=int(counts.sum()),
        unused_tokens=int((counts == 0).sum()),
        rare_tokens=int(((counts > 0) & (counts < RARE)).sum()),
        longest_tokens=tuple(vocabulary.token_bytes[one] for one in seen[:NUM_LONGEST]),
        left_out=vocabulary.left_out,
        checked_documents=sum(len(texts) for texts in documents.values()),
        failures=tuple(failures),
    )


def round_trip(vocabulary: Vocabulary, split: str, texts: list[str]) -> Iterator[RoundTripFailure]:
    """The documents that encoding and decoding change."""
    for number, text in enumerate(texts, 1):
        expected = text.encode() + b"\0"
        found = vocabulary.decode(vocabulary.encode_documents([text]))
        if found != expected:
            pairs = zip(found, expected, strict=False)
            shorter = min(len(found), len(expected))
            at_byte = next((place for place, (one, other) in enumerate(pairs) if one != other), shorter)
            yield RoundTripFailure(split, number, at_byte, text.partition("\n")[0][:60])
