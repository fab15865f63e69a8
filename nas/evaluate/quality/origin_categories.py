"""The quality categories of the predecessor experiment (the origin), kept exactly, to compare with its table.

They count characters and look for substrings, so they miss much of what matters:

- A loop of a long unit passes: `propertyproperty` is `noise`, ` self, self, self` is no failure.
- Token soup is `good` once it holds a keyword and an operator. `format` holds `for`, `->` holds `-`.
- A short, right completion such as `pass` is `repetitive`.

Trials are evaluated by the detector in `nas.evaluate.collapse` instead.
"""

from __future__ import annotations

from collections import Counter

MODE_COLLAPSE, REPETITIVE, GOOD, PARTIAL, NOISE = "mode_collapse", "repetitive", "good", "partial", "noise"
CATEGORIES = (MODE_COLLAPSE, REPETITIVE, GOOD, PARTIAL, NOISE)
"""All categories in the order in which they are tried: the first that fits counts."""

KEYWORDS = ("def", "class", "if", "for", "while", "import", "return", "self")
OPERATORS = "=+-*/><"

_COLLAPSED_ABOVE = 0.8
_MIN_DISTINCT = 5
_MIN_REPETITIONS, _PATTERN_CHARACTERS = 3, 12


def origin_category(completion: str) -> str:
    """Return one of CATEGORIES; the empty completion is `repetitive`, for it has few distinct characters."""
    if repetition_ratio(completion) > _COLLAPSED_ABOVE:
        return MODE_COLLAPSE
    if distinct_characters(completion) < _MIN_DISTINCT:
        return REPETITIVE
    if has_keyword(completion) and has_operator(completion):
        return GOOD
    if has_parentheses(completion) or has_operator(completion):
        return PARTIAL
    return NOISE


def repetition_ratio(completion: str) -> float:
    """Return the share of the most common character, white space included; 0 for an empty text."""
    return max(Counter(completion).values()) / len(completion) if completion else 0.0


def distinct_characters(completion: str) -> int:
    """Return the number of different characters."""
    return len(set(completion))


def has_keyword(completion: str) -> bool:
    """Return whether one of KEYWORDS occurs anywhere, also inside a longer word."""
    return any(keyword in completion for keyword in KEYWORDS)


def has_operator(completion: str) -> bool:
    """Return whether one of OPERATORS occurs anywhere, also inside a string."""
    return any(operator in completion for operator in OPERATORS)


def has_parentheses(completion: str) -> bool:
    """Return whether both `(` and `)` occur, in any order."""
    return "(" in completion and ")" in completion


def failure_pattern(completion: str) -> str:
    """Return what represents the completion in a table of the most common failures.

    It is the shortest unit that the completion starts with at least three times in a row, `):` for `):):):`;
    where there is none, the first twelve characters. Loops that start later are not searched for.
    """
    for length in range(1, len(completion) // _MIN_REPETITIONS + 1):
        unit = completion[:length]
        if completion.startswith(unit * _MIN_REPETITIONS):
            return unit
    return completion[:_PATTERN_CHARACTERS]
