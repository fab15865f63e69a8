"""Novel lines: lines of an evaluation text that do not occur in the training text.

Boilerplate and copied code occur on both sides of a split, and a model that memorised them looks better than it is. A
line counts if it has at least MIN_CHARACTERS without the white space around it: shorter lines (`else:`,
`return None`) occur everywhere. A line that counts is *seen* if the same stripped line occurs in the training text,
else *novel*. Lines are compared exactly: a line with one name changed is novel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_CHARACTERS = 20


def seen_lines(evaluation_documents: Iterable[str], training_documents: Iterable[str]) -> frozenset[str]:
    """Return the stripped lines of the evaluation documents that count and also occur in a training document.

    Makes one pass over the training documents, which may be many times larger than memory: only lines of the
    evaluation documents are held.
    """
    unseen = {line for text in evaluation_documents for line in _stripped(text) if _counts(line)}
    seen: set[str] = set()
    for text in training_documents:
        common = unseen.intersection(_stripped(text))
        seen |= common
        unseen -= common
    return frozenset(seen)


def novel_bytes(documents: Sequence[str], seen: Collection[str]) -> NDArray[np.bool_]:
    """Return a mask of the bytes in novel lines, (bytes of the documents in UTF-8 with a NUL after each,).

    `seen` is the result of `seen_lines`. All bytes of a novel line are marked, including indentation and line feed;
    a NUL belongs to no line.
    """
    masks = [np.zeros(0, dtype=np.bool_)]
    for text in documents:
        lines = text.split("\n")
        marks = [_counts(line.strip()) and line.strip() not in seen for line in lines]
        # One byte follows each line: its line feed, or after the last one the NUL.
        mask = np.repeat(np.array(marks, dtype=np.bool_), [len(line.encode()) + 1 for line in lines])
        mask[-1] = False
        masks.append(mask)
    return np.concatenate(masks)


def seen_line_share(documents: Iterable[str], seen: Collection[str]) -> float:
    """Return the share of the counting lines that are in `seen`, with repetitions; 0 if no line counts."""
    marks = [line in seen for text in documents for line in _stripped(text) if _counts(line)]
    return sum(marks) / len(marks) if marks else 0.0


def _stripped(text: str) -> Iterator[str]:
    # Not splitlines: a form feed or U+2028 does not end a line of Python.
    return map(str.strip, text.split("\n"))


def _counts(stripped: str) -> bool:
    return len(stripped) >= MIN_CHARACTERS
