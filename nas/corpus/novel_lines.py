"""Novel lines: lines of an evaluation text that training never showed.

Boilerplate and copied code stand on both sides of a split, and a model that has them by heart looks better than
it is. A line counts when it has MIN_CHARACTERS or more once the white space around it is stripped: shorter ones
(`else:`, `return None`) stand everywhere. A line that counts is *seen* when the same stripped line stands in the
training text, else *novel*. What is seen is found line by line and to the character: a line with one name changed
is novel.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

MIN_CHARACTERS = 20


def seen_lines(evaluation_documents: Iterable[str], training_documents: Iterable[str]) -> frozenset[str]:
    """The lines of the evaluation documents, stripped, that count and also stand in a training document.

    One pass over the training documents, which may be many times larger than memory: only lines of the
    evaluation documents are held.
    """
    unseen = {line for text in evaluation_documents for line in _stripped(text) if _counts(line)}
    seen: set[str] = set()
    for text in training_documents:
        found = unseen.intersection(_stripped(text))
        seen |= found
        unseen -= found
    return frozenset(seen)


def novel_bytes(documents: Sequence[str], seen: Collection[str]) -> NDArray[np.bool_]:
    """Which bytes stand in novel lines, (bytes of the documents in UTF-8 with a NUL after each,).

    `seen` is what `seen_lines` found. All bytes of a line have its mark, indentation and line feed too; a NUL
    stands in no line.
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
    """The share of the lines that count which are in `seen`, repeated lines each time; 0 where none counts."""
    marks = [line in seen for text in documents for line in _stripped(text) if _counts(line)]
    return sum(marks) / len(marks) if marks else 0.0


def _stripped(text: str) -> Iterator[str]:
    """Not splitlines: a form feed or U+2028 ends no line of Python."""
    return map(str.strip, text.split("\n"))


def _counts(stripped: str) -> bool:
    return len(stripped) >= MIN_CHARACTERS
