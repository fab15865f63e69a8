from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from experiments.collapse_detector.human_code import windows
from experiments.collapse_detector.loops import DAMAGES, KINDS, synthetic_loop
from nas.evaluate.calibration import LENGTHS
from nas.evaluate.collapse.detector import (
    BLANK,
    COPY,
    DETECTOR_VERSION,
    ENTROPY,
    LINES,
    LOOP,
    MEASURES,
    NEAR_LOOP,
    RULES,
    THRESHOLDS_FILE,
    collapse_rule,
    measure,
    threshold,
    thresholds,
)

HEALTHY = """def read(self, size=-1):
    if self.closed:
        raise ValueError("I/O operation on closed file")
    data = self.buffer[self.pos:self.pos + size]
    self.pos += len(data)
    return data
"""
UNITS = [
    "):",
    "self, ",
    "property",
    " np",
    "def f(self):\n    return self\n",
    "    x = 1\n",
    "        self.assertEqual(a, b)\n        self.assertTrue(c)\n",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("length", [40, 100, 200, 400, 800])
def test_a_pure_loop_of_at_least_three_turns_has_collapsed(unit: str, length: int) -> None:
    text = (unit * 400)[:length]
    if length >= 3 * len(unit):
        assert collapse_rule(text) == LOOP
    elif length < 2 * len(unit):
        assert collapse_rule(text) is None


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_loop_at_the_end_counts_by_its_share_of_the_text(share: float) -> None:
    loop = ("foo, bar, " * 100)[: round(200 * share)]
    text = HEALTHY[: 200 - len(loop)] + loop
    assert collapse_rule(text) == (LOOP if share > 0.3 else None)


def test_a_third_of_a_text_that_ends_in_one_number_again_and_again_is_a_loop() -> None:
    text = HEALTHY[:130] + ("0, " * 30)[:70]
    measures = measure(text)
    assert measures["counting_loop"] == 0  # numbers alone: it might be a table
    assert measures["inner_loop"] < threshold("inner_loop", 200)
    assert collapse_rule(text) == LOOP


@pytest.mark.parametrize("length", [100, 200, 400])
def test_a_loop_that_counts_is_a_loop(length: int) -> None:
    text = "".join(f"    self.field_{number} = {number + 7}\n" for number in range(40))[:length]
    assert collapse_rule(text) == LOOP


def test_a_loop_that_ends_before_the_text_does_is_found_where_it_is_long() -> None:
    loop = "foo, bar, " * 12
    assert collapse_rule(loop + HEALTHY[:80]) == LOOP
    assert collapse_rule(loop[:40] + HEALTHY[:160]) is None


def test_lines_that_come_back_are_found_without_a_loop() -> None:
    draw = random.Random(3)
    lines = ["    return None\n", "        pass\n", "    else:\n"]
    text = "".join(draw.choice(lines) for _ in range(60))[:400]
    assert collapse_rule(text) in (LINES, LOOP, NEAR_LOOP)
    measures = measure(text)
    assert measures["repeated_lines"] > threshold("repeated_lines", 400)


def test_a_loop_with_noise_is_a_near_loop() -> None:
    text = list("self.value = other.value\n" * 8)
    for place in (20, 55, 90, 130, 165, 190):
        text[place] = "Q"
    assert collapse_rule("".join(text)) == NEAR_LOOP


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\t" * 300, " " * 200 + "x", "\n    " * 40, "\u3000\u2028" * 50])
def test_no_text_and_white_space_are_blank(text: str) -> None:
    assert collapse_rule(text) == BLANK


def test_one_comment_is_blank_when_it_is_all_there_is() -> None:
    comment = "# TODO: write this function in a later version of the file"
    assert collapse_rule(f"\n    {comment}\n") == BLANK
    assert collapse_rule(comment, ended=True) == BLANK
    assert collapse_rule(comment) is None  # cut: code may have followed
    assert collapse_rule(f"{comment}\nx = 1\n", ended=True) is None


def test_a_copied_prompt_is_a_copy() -> None:
    prompt = HEALTHY[:120]
    assert collapse_rule(prompt, prompt) == COPY
    assert collapse_rule(f"\n\n{prompt}", prompt) == COPY
    assert collapse_rule("def read(self, size=-1):", "def read(self, size=-1):", ended=True) == COPY
    assert collapse_rule(f"{prompt[:110]} = 7\n", prompt) == COPY  # nearly all of it
    assert collapse_rule(prompt) is None
    assert collapse_rule("import os\n", "import os") == COPY
    assert collapse_rule("pass", "try:\n    pass\n") is None  # too short to be a copy of anything


@pytest.mark.parametrize("alphabet", ["ab", "xyz"])
def test_few_different_characters_without_a_loop_are_found(alphabet: str) -> None:
    draw = random.Random(1)
    text = "".join(draw.choices(alphabet, k=200))
    assert collapse_rule(text) in (ENTROPY, NEAR_LOOP)
    assert measure(text)["sameness"] > threshold("sameness", 200)


@pytest.mark.parametrize("text", [HEALTHY, HEALTHY[:60], "x = 1", "pass", "return None", "é = 'ü'", "名前 = 1"])
def test_code_that_people_write_is_healthy(text: str) -> None:
    assert collapse_rule(text) is None


@pytest.mark.parametrize("text", ["\ud800\udfff" * 3 + "x = 1", "\ufffd" * 300, "a\ufffdb\ufffdc = 1\n", "\x00\x1b[2J"])
def test_unusual_text_raises_no_error(text: str) -> None:
    assert collapse_rule(text) in (None, *RULES)


def test_replacement_characters_alone_are_a_loop() -> None:
    assert collapse_rule("\ufffd" * 200) == LOOP


def test_token_soup_is_not_seen_as_the_docstring_says() -> None:
    draw = random.Random(2)
    words = ["self", "(", ")", "return", "x", "=", "import", ":", "\n", "def", "[", "]", "."]
    assert collapse_rule(" ".join(draw.choices(words, k=60))) is None


def test_thresholds_go_with_the_logarithm_of_the_length() -> None:
    at = dict(zip(LENGTHS, thresholds()["near_loop"], strict=True))
    assert threshold("near_loop", 64) == threshold("near_loop", 5) == pytest.approx(at[64])
    assert threshold("near_loop", 800) == threshold("near_loop", 5000) == pytest.approx(at[800])
    middle = round((200 * 400) ** 0.5)  # half-way on a logarithmic scale
    assert threshold("near_loop", middle) == pytest.approx((at[200] + at[400]) / 2, abs=2e-3)


def test_the_thresholds_are_of_this_detector_and_say_how_they_were_made() -> None:
    stored = json.loads(THRESHOLDS_FILE.read_text(encoding="utf-8"))
    assert stored["detector_version"] == DETECTOR_VERSION
    assert stored["made_by"] == "python -m experiments.collapse_detector"
    assert set(MEASURES.values()) == set(RULES)


@pytest.mark.parametrize("length", LENGTHS)
def test_code_of_a_package_that_was_not_calibrated_on_is_rarely_called_collapsed(length: int) -> None:
    human = windows(["optuna", "pydantic"], length, 500)
    alarms = Counter(rule for window in human if (rule := collapse_rule(window.text, window.before)))
    assert alarms.total() <= 0.0072 * 2 * len(human), alarms  # twice the bar, for a fifth of the windows


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("length", LENGTHS)
def test_made_loops_are_found(length: int, damage: str) -> None:
    material = [window.text for window in windows(["optuna"], 1000, 200)]
    texts = [
        synthetic_loop(kind, damage, length, material, f"{kind} {number}") for kind in KINDS for number in range(40)
    ]
    recall = sum(collapse_rule(text) is not None for text in texts) / len(texts)
    assert recall >= {"pure": 0.99, "noise": 0.85, "half-way": 0.9}[damage]
