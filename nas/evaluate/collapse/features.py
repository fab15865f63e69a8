"""What the detector measures on a text: each a share from 0 to 1, or bits, the same for every length of text.

n characters. Runs of blanks count as one and, where numbers may change from turn to turn, runs of digits as
one zero: a loop that counts is a loop.
"""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

MIN_CHARACTERS = 16
"""Shorter texts hold no copy and no loop."""
SHIFT = 1
"""Characters by which a turn of a near loop may be longer or shorter than the one before."""
MAX_INNER_PERIOD = 80
"""Loops that end before the text does are looked for up to so many characters a turn."""
TURNS = 3

_CANDIDATES = 4
_BLANKS = re.compile(r"[ \t]+")
_DIGITS = re.compile(r"\d+")


def joined(text: str) -> str:
    """`text` with each run of blanks as one space."""
    return _BLANKS.sub(" ", text)


def without_numbers(text: str) -> str:
    """`joined`, and each run of digits as one zero."""
    return _DIGITS.sub("0", joined(text))


def visible_share(text: str) -> float:
    """Share of characters that are not white space; 0 for no text."""
    return sum(map(len, text.split())) / len(text) if text else 0.0


def character_entropy(text: str) -> float:
    """Shannon entropy of the characters' frequencies, bits per character; 0 for no text."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def last_loop(text: str, *, needs_words: bool = False) -> int:
    """Characters of the longest loop that lasts to the end of the text: one unit at least three times in a row.

    People's code rarely ends in the middle of one, wherever it is cut; a model that loops does not get out.
    With `needs_words` units that hold digits must hold three letters too: tables of numbers are no loops.
    """
    longest, length = 0, len(text)
    for period in range(1, length // TURNS + 1):
        unit = text[length - period :]
        if text.endswith(unit, 0, length - period) and text.endswith(unit, 0, length - 2 * period):
            if needs_words and not _has_words(unit):
                continue
            longest = max(longest, _run_before(text, period))
    return longest


def longest_loop(text: str, longest_period: int = MAX_INNER_PERIOD) -> int:
    """Characters of the longest loop anywhere, its last turn cut or not."""
    codes = _codes(text)
    longest = 0
    for period in range(1, min(len(codes) // TURNS, longest_period) + 1):
        breaks = np.flatnonzero(codes[period:] != codes[:-period])
        ends = np.concatenate([[-1], breaks, [len(codes) - period]])
        covered = int(np.diff(ends).max()) - 1 + period
        if covered >= TURNS * period:
            longest = max(longest, covered)
    return longest


def near_loop_share(text: str) -> float:
    """Share of the text that repeats what stood one turn before, noise and small shifts allowed.

    Of all turns up to a third of the text the one with most equal trigrams is taken. A character counts when it
    is of a trigram that stood there one turn before, give or take SHIFT characters. The share is of all but one
    turn. Trigrams of digits without a letter count for nothing: tables of numbers are no loops.
    """
    length, last = len(text), len(text) // TURNS
    if length < MIN_CHARACTERS:
        return 0.0
    trigrams = _trigrams(text)
    equal = np.zeros(last + SHIFT + 1)
    for period in range(1, last + SHIFT + 1):
        equal[period] = np.count_nonzero(trigrams[period:] == trigrams[:-period])
    near = np.convolve(equal, np.ones(2 * SHIFT + 1), "same")[: last + 1]
    near[0] = 0
    best = 0.0
    for period in np.argsort(-near / (length - np.arange(last + 1)))[:_CANDIDATES]:
        covered = np.zeros(length, dtype=bool)
        for turn in range(max(1, period - SHIFT), period + SHIFT + 1):
            starts = np.flatnonzero(trigrams[turn:] == trigrams[:-turn]) + turn
            for offset in range(3):
                covered[starts + offset] = True
        best = max(best, int(covered.sum()) / (length - int(period)))
    return min(best, 1.0)


def repeated_line_share(text: str) -> float:
    """Share of the lines with something on them that stood there before; 0 for fewer than three."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return 1 - len(set(lines)) / len(lines) if len(lines) >= TURNS else 0.0


def copied_share(completion: str, prompt: str) -> float:
    """Share of the completion, white space before it left out, that is its beginning and stands in the prompt."""
    text = completion.strip()
    low, high = 0, len(text)
    while low < high:  # a prefix of what stands in the prompt stands there too
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text[:middle] in prompt else (low, middle - 1)
    return low / len(text) if text else 0.0


def _run_before(text: str, period: int) -> int:
    """Characters at the end of the text that repeat with `period`."""
    start = len(text) - period - 1
    while start >= 0 and text[start] == text[start + period]:
        start -= 1
    return len(text) - 1 - start


def _has_words(unit: str) -> bool:
    return sum(map(str.isalpha, unit)) >= TURNS or not any(map(str.isdigit, unit))


def _trigrams(text: str) -> NDArray[np.int64]:
    """One number for each three characters in a row; those of digits without a letter equal no other."""
    codes = _codes(text).astype(np.int64)
    letters = np.fromiter(map(str.isalpha, text), dtype=bool, count=len(text))
    thirds = [(codes[start : len(text) - 2 + start], letters[start : len(text) - 2 + start]) for start in range(3)]
    numbers = np.logical_or.reduce([code == ord("0") for code, _ in thirds])
    words = np.logical_or.reduce([letter for _, letter in thirds])
    packed = thirds[0][0] + (thirds[1][0] << 21) + (thirds[2][0] << 42)
    return np.where(numbers & ~words, -1 - np.arange(len(packed)), packed)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype=np.uint32)
