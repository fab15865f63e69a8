"""The categories of the experiment that this project grew out of, kept exactly, to set its table beside ours.

They count characters and look for substrings, so they miss much of what matters:

- A loop of a long unit passes: `propertyproperty` is `noise`, ` self, self, self` is no failure.
- Token soup is `good` once it holds a keyword and an operator. `format` holds `for`, `->` holds `-`.
- A short, right completion such as `pass` is `repetitive`.

`nas.evaluate.collapse` is the detector that trials are judged by.
"""

from __future__ import annotations

from collections import Counter

MODE_COLLAPSE, REPETITIVE, GOOD, PARTIAL, NOISE = "mode_collapse", "repetitive", "good", "partial", "noise"
CATEGORIES = (MODE_COLLAPSE, REPETITIVE, GOOD, PARTIAL, NOISE)
"""In the order in which they are tried: the first that fits is the category."""

KEYWORDS = ("def", "class", "if", "for", "while", "import", "return", "self")
OPERATORS = "=+-*/><"

_COLLAPSED_ABOVE = 0.8
_MIN_DISTINCT = 5
_PATTERN_TURNS, _PATTERN_CHARACTERS = 3, 12


def origin_category(completion: str) -> str:
    """One of CATEGORIES. The empty completion is `repetitive`: it has fewer than five distinct characters."""
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
    """Share of the most common character, white space included; 0 for no text."""
    return max(Counter(completion).values()) / len(completion) if completion else 0.0


def distinct_characters(completion: str) -> int:
    """How many different characters there are."""
    return len(set(completion))


def has_keyword(completion: str) -> bool:
    """Whether one of KEYWORDS stands anywhere, also inside a longer word."""
    return any(keyword in completion for keyword in KEYWORDS)


def has_operator(completion: str) -> bool:
    """Whether one of OPERATORS stands anywhere, also inside a string."""
    return any(operator in completion for operator in OPERATORS)


def has_parentheses(completion: str) -> bool:
    """Whether both `(` and `)` stand somewhere, in any order."""
    return "(" in completion and ")" in completion


def failure_pattern(completion: str) -> str:
    """What the completion looks like in a table of the most common failures.

    The shortest unit that the completion starts with at least three times in a row, `):` for `):):):`;
    where there is none, the first twelve characters. A loop that sets in later is not looked for.
    """
    for length in range(1, len(completion) // _PATTERN_TURNS + 1):
        unit = completion[:length]
        if completion.startswith(unit * _PATTERN_TURNS):
            return unit
    return completion[:_PATTERN_CHARACTERS]
