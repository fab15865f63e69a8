"""Features of a text that the detector measures: shares from 0 to 1, entropies in bits, lengths in characters.

Runs of blanks count as one blank and, where numbers may change from one repetition to the next, runs of digits as
one zero: a loop that counts is a loop.
"""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

MIN_CHARACTERS = 16
"""Texts with fewer characters cannot be a copy or a loop."""
SHIFT = 1
"""Characters by which one repetition of a near loop may be longer or shorter than the one before."""
MAX_INNER_PERIOD = 80
"""Longest unit, in characters, of the loops that are searched for before the end of the text."""
MIN_REPETITIONS = 3
"""A unit this many times in a row is a loop."""

_CANDIDATES = 4
_BLANKS = re.compile(r"[ \t]+")
_DIGITS = re.compile(r"\d+")


def with_single_blanks(text: str) -> str:
    """Return `text` with each run of blanks as one space."""
    return _BLANKS.sub(" ", text)


def without_numbers(text: str) -> str:
    """Return `text` with each run of blanks as one space and each run of digits as one zero."""
    return _DIGITS.sub("0", with_single_blanks(text))


def visible_share(text: str) -> float:
    """Return the share of characters that are not white space; 0 for an empty text."""
    return sum(map(len, text.split())) / len(text) if text else 0.0


def character_entropy(text: str) -> float:
    """Return the Shannon entropy of the characters' frequencies, bits per character; 0 for an empty text."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def last_loop(text: str, *, needs_words: bool = False) -> int:
    """Return the characters of the longest loop that lasts to the end of the text.

    Human code rarely ends in the middle of a loop, wherever it is cut; a model that loops does not leave it.
    With `needs_words` a unit with digits must have three letters too: tables of numbers are not loops.
    """
    longest, length = 0, len(text)
    for period in range(1, length // MIN_REPETITIONS + 1):
        unit = text[length - period :]
        if text.endswith(unit, 0, length - period) and text.endswith(unit, 0, length - 2 * period):
            if needs_words and not _has_words(unit):
                continue
            longest = max(longest, _run_before(text, period))
    return longest


def longest_loop(text: str, max_period: int = MAX_INNER_PERIOD) -> int:
    """Return the characters of the longest loop anywhere in the text; its last repetition may be incomplete."""
    codes = _codes(text)
    longest = 0
    for period in range(1, min(len(codes) // MIN_REPETITIONS, max_period) + 1):
        breaks = np.flatnonzero(codes[period:] != codes[:-period])
        ends = np.concatenate([[-1], breaks, [len(codes) - period]])
        covered = int(np.diff(ends).max()) - 1 + period
        if covered >= MIN_REPETITIONS * period:
            longest = max(longest, covered)
    return longest


def near_loop_share(text: str) -> float:
    """Return the share of the text that repeats the text one period before, with noise and small shifts allowed.

    Among the periods up to a third of the text, those with the most equal trigrams are tried and the largest share
    is returned. A character counts when it belongs to a trigram that occurred one period before, plus or minus SHIFT
    characters. The share is taken of the text without its first period. Trigrams of digits without a letter never
    count: tables of numbers are not loops.
    """
    length, last = len(text), len(text) // MIN_REPETITIONS
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
        for shifted in range(max(1, period - SHIFT), period + SHIFT + 1):
            starts = np.flatnonzero(trigrams[shifted:] == trigrams[:-shifted]) + shifted
            for offset in range(3):
                covered[starts + offset] = True
        best = max(best, int(covered.sum()) / (length - int(period)))
    return min(best, 1.0)


def repeated_line_share(text: str) -> float:
    """Return the share of non-blank lines that occurred before; 0 for fewer than three lines."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return 1 - len(set(lines)) / len(lines) if len(lines) >= MIN_REPETITIONS else 0.0


def copied_share(completion: str, prompt: str) -> float:
    """Return the share of the completion, without outer white space, that its longest prefix in the prompt makes."""
    text = completion.strip()
    low, high = 0, len(text)
    while low < high:  # a prefix of text in the prompt is in the prompt too
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text[:middle] in prompt else (low, middle - 1)
    return low / len(text) if text else 0.0


def _run_before(text: str, period: int) -> int:
    """Return the number of characters at the end of the text that repeat with `period`."""
    start = len(text) - period - 1
    while start >= 0 and text[start] == text[start + period]:
        start -= 1
    return len(text) - 1 - start


def _has_words(unit: str) -> bool:
    return sum(map(str.isalpha, unit)) >= MIN_REPETITIONS or not any(map(str.isdigit, unit))


def _trigrams(text: str) -> NDArray[np.int64]:
    """Return one number per trigram; a trigram of digits without a letter equals no other."""
    codes = _codes(text).astype(np.int64)
    letters = np.fromiter(map(str.isalpha, text), dtype=bool, count=len(text))
    thirds = [(codes[start : len(text) - 2 + start], letters[start : len(text) - 2 + start]) for start in range(3)]
    numbers = np.logical_or.reduce([code == ord("0") for code, _ in thirds])
    words = np.logical_or.reduce([letter for _, letter in thirds])
    packed = thirds[0][0] + (thirds[1][0] << 21) + (thirds[2][0] << 42)
    return np.where(numbers & ~words, -1 - np.arange(len(packed)), packed)


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype=np.uint32)
