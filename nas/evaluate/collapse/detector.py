"""The detector: rules with thresholds that depend on the length of the text; the first that fires is the one kept.

blank         hardly anything that is not white space, or nothing but one comment
copy          the completion is what stands in its prompt
loop          one unit at least three times in a row, to the end or for a large part of the text; numbers in it may
              change
lines         lines that were there before
near_loop     as a loop, with noise in it
entropy       too few different characters

The thresholds stand in thresholds.json, made by `python -m experiments.collapse_detector` so that people's code
is rarely called collapsed; experiments/collapse_detector/README.md says how rarely, and what is found. Token soup is not seen:
text that never repeats and means nothing is measured by `nas.evaluate.quality`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from nas.evaluate.by_length import LENGTHS, at_length
from nas.evaluate.collapse.features import (
    MIN_CHARACTERS,
    character_entropy,
    copied_share,
    joined,
    last_loop,
    longest_loop,
    near_loop_share,
    repeated_line_share,
    visible_share,
    without_numbers,
)

DETECTOR_VERSION = 2
THRESHOLDS_FILE = Path(__file__).with_name("thresholds.json")

BLANK, COPY, LOOP, LINES, NEAR_LOOP, ENTROPY = RULES = ("blank", "copy", "loop", "lines", "near_loop", "entropy")
FULL_ENTROPY = 7.0
"""Bits of a character of ASCII, if all were as frequent."""

MEASURES = {
    "invisible": BLANK,
    "copied": COPY,
    "last_loop": LOOP,
    "counting_loop": LOOP,
    "inner_loop": LOOP,
    "repeated_lines": LINES,
    "near_loop": NEAR_LOOP,
    "sameness": ENTROPY,
}
"""What is measured -> the rule that fires where it is above its threshold."""


def measure(completion: str, prompt: str = "") -> dict[str, float]:
    """Every measure of MEASURES, each the larger the more it speaks for a collapse."""
    text, plain = joined(completion), without_numbers(completion)
    return {
        "invisible": 1 - visible_share(completion),
        "copied": copied_share(completion, prompt),
        "last_loop": last_loop(text) / max(len(text), 1),
        "counting_loop": last_loop(plain, needs_words=True) / max(len(plain), 1),
        "inner_loop": longest_loop(text) / max(len(text), 1),
        "repeated_lines": repeated_line_share(plain),
        "near_loop": near_loop_share(plain),
        "sameness": 1 - character_entropy(text) / FULL_ENTROPY,
    }


def collapse_rule(completion: str, prompt: str = "", *, ended: bool = False) -> str | None:
    """The rule that calls `completion` collapsed, or None for a healthy one.

    `ended`: the model ended the text itself, so that one comment is all it had to say; a comment that was cut by
    the limit of bytes may go on to something.
    A text shorter than the shortest calibrated length is judged by that one's thresholds, and only by the rules
    that a few characters can speak for: blank, copy and loop.
    """
    text = completion.strip()
    if not text or (_is_one_comment(text) and (ended or completion.endswith("\n"))):
        return BLANK
    if text == prompt.strip():
        return COPY  # however short
    length = len(completion)
    found = measure(completion, prompt)
    fired = {MEASURES[name] for name, value in found.items() if value > threshold(name, length)}
    if length < LENGTHS[0]:
        fired &= {BLANK, COPY, LOOP}
    if length < MIN_CHARACTERS:
        fired &= {BLANK}
    return next((rule for rule in RULES if rule in fired), None)


def threshold(name: str, length: int) -> float:
    """The threshold of a measure for texts of `length` characters."""
    return at_length(thresholds()[name], length)


@cache
def thresholds() -> Mapping[str, tuple[float, ...]]:
    """Measure -> one threshold for each of LENGTHS, as calibrated."""
    stored = json.loads(THRESHOLDS_FILE.read_text(encoding="utf-8"))
    assert stored["lengths"] == list(LENGTHS) and stored["thresholds"].keys() == MEASURES.keys(), THRESHOLDS_FILE
    return {name: tuple(values) for name, values in stored["thresholds"].items()}


def _is_one_comment(text: str) -> bool:
    return text.startswith("#") and "\n" not in text
