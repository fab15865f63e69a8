"""Whether a completion has collapsed, and by which rule: blank, a loop, or too few different characters.

A first detector of plain rules on the text alone; the first rule that fires is the one kept. It does not
see token soup: text that never repeats and means nothing is not a collapse here.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

DETECTOR_VERSION = 1

BLANK, LOOP, ENTROPY = "blank", "loop", "entropy"
RULES = (BLANK, LOOP, ENTROPY)

# Share of visible characters under which a text is blank.
_LEAST_VISIBLE_SHARE = 0.3
# Share of the text that one loop of at least three turns covers, and its least length in characters.
_LOOP_SHARE, _LOOP_CHARACTERS, _LOOP_TURNS = 0.4, 16, 3
# Bits per character under which a text of 200 characters has too few different ones; shorter texts
# cannot reach as many bits, so the threshold falls with the greatest that their length allows.
_ENTROPY_BITS, _ENTROPY_LENGTH = 2.1, 200


def collapse_rule(completion: str) -> str | None:
    """The rule that calls `completion` collapsed, or None for a healthy one."""
    if visible_share(completion) < _LEAST_VISIBLE_SHARE:
        return BLANK
    loop = longest_loop(completion)
    if loop >= _LOOP_CHARACTERS and loop > _LOOP_SHARE * len(completion):
        return LOOP
    reachable = min(1.0, math.log2(len(completion) + 1) / math.log2(_ENTROPY_LENGTH))
    if character_entropy(completion) < _ENTROPY_BITS * reachable:
        return ENTROPY
    return None


def visible_share(text: str) -> float:
    """Share of characters that are not white space; 0 for no text."""
    return sum(not one.isspace() for one in text) / len(text) if text else 0.0


def character_entropy(text: str) -> float:
    """Shannon entropy of the characters' frequencies, bits per character; 0 for no text."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


def longest_loop(text: str) -> int:
    """Characters covered by the longest run of one unit repeated at least three times, the last turn cut or not."""
    codes = np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype=np.uint32)
    longest = 0
    for period in range(1, len(codes) // _LOOP_TURNS + 1):
        breaks = np.flatnonzero(codes[period:] != codes[:-period])
        ends = np.concatenate([[-1], breaks, [len(codes) - period]])
        covered = int(np.diff(ends).max()) - 1 + period
        if covered >= _LOOP_TURNS * period:
            longest = max(longest, covered)
    return longest
