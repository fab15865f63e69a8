"""The report on a tokenizer: the length and use of its tokens on a corpus, and whether it is exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nas.data.prepared import PreparedData
from nas.tokenizer.vocabulary import Vocabulary

RARE_COUNT = 10
"""A token that occurs less often in the train split is rare: a model cannot learn it well."""
NUM_LONGEST = 5
CHECKED_SPLITS = ("validation", "holdout")


@dataclass(frozen=True)
class RoundTripFailure:
    """A document that changes when it is encoded and decoded."""

    split: str
    number: int
    """Number within the split, from 1."""
    at_byte: int
    """Position of the first byte that differs, from 0; the NUL that ends the document counts."""
    first_line: str

    def __str__(self) -> str:
        return f"document {self.number} of {self.split}, at byte {self.at_byte:,}; it begins with {self.first_line!r}"


@dataclass(frozen=True)
class TokenizerReport:
    """The use of a tokenizer's ids on a corpus, and the documents that it does not reproduce.

    All ids count: the special tokens of foreign tokenizers, which no text is encoded to, are among the unused.
    """

    name: str
    num_ids: int
    eot_id: int
    bytes_per_token: float
    """Mean on validation; the end of each document counts as one byte and one token."""
    train_tokens: int
    unused_tokens: int
    """Ids that do not occur in the train split."""
    rare_tokens: int
    """Ids that occur in the train split, but fewer than RARE_COUNT times."""
    longest_tokens: tuple[bytes, ...]
    """The NUM_LONGEST longest tokens of the train split, longest first."""
    left_out: tuple[str, ...]
    """The parts that were removed from a foreign tokenizer."""
    checked_documents: int
    failures: tuple[RoundTripFailure, ...]


def report_tokenizer(data: PreparedData, name: str) -> TokenizerReport:
    """Count the tokens of train and validation, and check the round trip of validation and holdout."""
    vocabulary = data.vocabulary(name)
    counts = np.bincount(data.tokens(name, "train"), minlength=vocabulary.size)
    seen = sorted(np.flatnonzero(counts).tolist(), key=lambda token: (-len(vocabulary.token_bytes[token]), token))
    documents = {split: data.documents(split) for split in CHECKED_SPLITS}
    failures = [failure for split, texts in documents.items() for failure in check_round_trip(vocabulary, split, texts)]
    return TokenizerReport(
        name=name,
        num_ids=vocabulary.size,
        eot_id=vocabulary.eot_id,
        bytes_per_token=data.manifest["splits"]["validation"]["bytes"] / len(data.tokens(name, "validation")),
        train_tokens=int(counts.sum()),
        unused_tokens=int((counts == 0).sum()),
        rare_tokens=int(((counts > 0) & (counts < RARE_COUNT)).sum()),
        longest_tokens=tuple(vocabulary.token_bytes[token] for token in seen[:NUM_LONGEST]),
        left_out=vocabulary.left_out,
        checked_documents=sum(len(texts) for texts in documents.values()),
        failures=tuple(failures),
    )


def check_round_trip(vocabulary: Vocabulary, split: str, texts: list[str]) -> Iterator[RoundTripFailure]:
    """Yield a failure for each document that changes when it is encoded and decoded."""
    for number, text in enumerate(texts, 1):
        expected = text.encode() + b"\0"
        decoded = vocabulary.decode(vocabulary.encode_documents([text]))
        if decoded != expected:
            pairs = enumerate(zip(decoded, expected, strict=False))
            shorter = min(len(decoded), len(expected))
            at_byte = next((position for position, (byte, wanted) in pairs if byte != wanted), shorter)
            yield RoundTripFailure(split, number, at_byte, text.partition("\n")[0][:60])
