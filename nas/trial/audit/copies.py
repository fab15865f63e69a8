"""Whether text that a model is judged on stands in what it was trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from nas.trial.audit.finding import Finding

COPIES = "copied text"
SHINGLE_WORDS = 8
"""Words in a row that must be the same: long enough that common idioms are no copies."""
COPY_SHARE = 0.5
"""A document is a near-duplicate where this share of its word runs stands in training text."""


def check_copies(train: Iterable[str], validation: Sequence[str]) -> Finding:
    """Near-duplicates of training text among the validation documents, by shared runs of words.

    Names and layout that were changed throughout hide a copy from this check.
    """
    known = {shingle for text in train for shingle in _shingles(text)}
    shares = []
    for text in validation:
        own = list(_shingles(text))
        shares.append(sum(one in known for one in own) / len(own) if own else 0.0)
    copied = [index for index, share in enumerate(shares) if share >= COPY_SHARE]
    share = sum(len(validation[index]) for index in copied) / max(1, sum(map(len, validation)))
    did = f"looked up every run of {SHINGLE_WORDS} words of {len(validation)} validation documents in the training text"
    figure = f"{len(copied)} near-duplicates, {share:.1%} of the text; the most alike shares {max(shares):.0%}"
    if copied:
        advice = f"validation document {copied[0]} stands in the training text: remove copies before the split"
        return Finding(COPIES, "leak", did, figure, advice)
    return Finding(COPIES, "passed", did, figure)


def _shingles(text: str) -> Iterator[int]:
    words = re.findall(r"\w+", text)
    for start in range(len(words) - SHINGLE_WORDS + 1):
        yield hash(tuple(words[start : start + SHINGLE_WORDS]))
