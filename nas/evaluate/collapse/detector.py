"""The collapse detector: rules with thresholds that depend on the text's length; the first rule that fires counts.

blank         hardly anything but white space, or nothing but one comment
copy          the completion repeats text of its prompt
loop          one unit at least three times in a row, up to the end or for a large part of the text; numbers in it
              may change
lines         lines that occurred before
near_loop     a loop with noise in it
entropy       too few different characters

The thresholds in thresholds.json are made by `python -m experiments.collapse_detector` so that human code is rarely
called collapsed; experiments/collapse_detector/README.md gives the rates of false alarms and of detection. The
detector does not see token soup: text that never repeats and means nothing is measured by `nas.evaluate.quality`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from nas.evaluate.calibration import LENGTHS, value_at_length
from nas.evaluate.collapse.features import (
    MIN_CHARACTERS,
    character_entropy,
    copied_share,
    last_loop,
    longest_loop,
    near_loop_share,
    repeated_line_share,
    visible_share,
    with_single_blanks,
    without_numbers,
)

DETECTOR_VERSION = 2
THRESHOLDS_FILE = Path(__file__).with_name("thresholds.json")

BLANK, COPY, LOOP, LINES, NEAR_LOOP, ENTROPY = RULES = ("blank", "copy", "loop", "lines", "near_loop", "entropy")
FULL_ENTROPY = 7.0
"""Bits per character if all ASCII characters were equally frequent."""

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
"""Measure -> the rule that fires where it exceeds its threshold."""


def measure(completion: str, prompt: str = "") -> dict[str, float]:
    """Return every measure of MEASURES; the larger, the more it suggests a collapse."""
    text, plain = with_single_blanks(completion), without_numbers(completion)
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
    """Return the rule by which `completion` has collapsed, or None for a healthy one.

    `ended` tells that the model ended the text itself, so that a single comment is all it wrote; a comment that the
    byte limit cut may lead to code.
    A text shorter than the shortest calibrated length gets that length's thresholds, and only the rules
    that a few characters can support: blank, copy and loop.
    """
    text = completion.strip()
    if not text or (_is_one_comment(text) and (ended or completion.endswith("\n"))):
        return BLANK
    if text == prompt.strip():
        return COPY  # at any length
    length = len(completion)
    measures = measure(completion, prompt)
    fired = {MEASURES[name] for name, value in measures.items() if value > threshold(name, length)}
    if length < LENGTHS[0]:
        fired &= {BLANK, COPY, LOOP}
    if length < MIN_CHARACTERS:
        fired &= {BLANK}
    return next((rule for rule in RULES if rule in fired), None)


def threshold(name: str, length: int) -> float:
    """Return the threshold of a measure for texts of `length` characters."""
    return value_at_length(thresholds()[name], length)


@cache
def thresholds() -> Mapping[str, tuple[float, ...]]:
    """Return measure -> the calibrated threshold for each of LENGTHS."""
    stored = json.loads(THRESHOLDS_FILE.read_text(encoding="utf-8"))
    assert stored["lengths"] == list(LENGTHS) and stored["thresholds"].keys() == MEASURES.keys(), THRESHOLDS_FILE
    return {name: tuple(values) for name, values in stored["thresholds"].items()}


def _is_one_comment(text: str) -> bool:
    return text.startswith("#") and "\n" not in text
