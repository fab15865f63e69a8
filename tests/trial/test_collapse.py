from __future__ import annotations

import math
import random
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from nas.trial.collapse import (
    BLANK,
    ENTROPY,
    LOOP,
    RULES,
    character_entropy,
    collapse_rule,
    longest_loop,
    visible_share,
)

HEALTHY = """def read(self, size=-1):
    if self.closed:
        raise ValueError("I/O operation on closed file")
    data = self.buffer[self.pos:self.pos + size]
    self.pos += len(data)
    return data
"""


def slow_longest_loop(text: str) -> int:
    """By the definition: for every start and period, go on while the text repeats."""
    longest = 0
    for start in range(len(text)):
        for period in range(1, len(text)):
            end = start + period
            while end < len(text) and text[end] == text[end - period]:
                end += 1
            if end - start >= 3 * period:
                longest = max(longest, end - start)
    return longest


@pytest.mark.parametrize("alphabet", ["ab", "abc", "a\n", "aé\U0001f600"])
def test_the_longest_loop_is_the_brute_force_one(alphabet: str) -> None:
    draw = random.Random(alphabet)
    texts = ["".join(draw.choices(alphabet, k=length)) for length in range(24) for _ in range(12)]
    texts += [text + text[:3] * 4 for text in texts]
    assert [longest_loop(text) for text in texts] == [slow_longest_loop(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 0),
        ("aa", 0),
        ("aaa", 3),
        ("abab", 0),
        ("ababa", 0),
        ("ababab", 6),
        ("xabababay", 7),
        ("abcabcabcab", 11),
        ("aaabbbbb", 5),
        ("\ud800\ud800\ud800", 3),
        ("\ufffd" * 4, 4),
    ],
)
def test_the_longest_loop_by_hand(text: str, expected: int) -> None:
    assert longest_loop(text) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "):",
        "self, ",
        "property",
        " np",
        "def f(self):\n    return self\n",
        "    x = 1\n",
        "        self.assertEqual(a, b)\n        self.assertTrue(c)\n",
    ],
)
@pytest.mark.parametrize("length", [40, 100, 200, 400, 800])
def test_a_pure_loop_of_at_least_three_turns_has_collapsed(unit: str, length: int) -> None:
    text = (unit * 400)[:length]
    expected = LOOP if length >= 3 * len(unit) else None
    assert collapse_rule(text) == expected


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_loop_counts_by_its_share_of_the_text(share: float) -> None:
    loop = ("foo, bar, " * 100)[: round(200 * share)]
    text = HEALTHY[: 200 - len(loop)] + loop
    assert len(text) == 200
    assert collapse_rule(text) == (LOOP if share > 0.4 else None)


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\t" * 300, " " * 200 + "x", "\n    " * 40, "\u3000\u2028" * 50])
def test_no_text_and_white_space_are_blank(text: str) -> None:
    assert collapse_rule(text) == BLANK


@pytest.mark.parametrize("alphabet", ["ab", "xyz"])
def test_few_different_characters_without_a_loop_have_too_little_entropy(alphabet: str) -> None:
    draw = random.Random(1)
    assert collapse_rule("".join(draw.choices(alphabet, k=200))) == ENTROPY


@pytest.mark.parametrize("text", [HEALTHY, HEALTHY[:60], "x = 1", "pass", "return None", "é = 'ü'", "名前 = 1"])
def test_code_that_people_write_is_healthy(text: str) -> None:
    assert collapse_rule(text) is None


@pytest.mark.parametrize("text", ["\ud800\udfff" * 3 + "x = 1", "\ufffd" * 300, "a\ufffdb\ufffdc = 1\n", "\x00\x1b[2J"])
def test_text_that_is_no_text_is_judged_without_an_error(text: str) -> None:
    assert collapse_rule(text) in (None, *RULES)


def test_replacement_characters_alone_are_a_loop() -> None:
    assert collapse_rule("\ufffd" * 200) == LOOP


def test_token_soup_is_not_seen_as_the_docstring_says() -> None:
    draw = random.Random(2)
    words = ["self", "(", ")", "return", "x", "=", "import", ":", "\n", "def", "[", "]", "."]
    assert collapse_rule(" ".join(draw.choices(words, k=60))) is None


def test_shares_and_entropy_by_hand() -> None:
    assert visible_share("a b\n") == 0.5
    assert visible_share("") == 0
    assert character_entropy("aabb") == 1
    assert character_entropy("abcd") == 2
    assert character_entropy("aaab") == pytest.approx(2 - 0.75 * math.log2(3))
    assert character_entropy("") == 0
    assert character_entropy("aaaa") == 0


def test_real_code_is_rarely_called_collapsed() -> None:
    windows = [window for text in _standard_library() for window in _windows(text, 200)]
    assert len(windows) >= 2000
    chosen = random.Random(0).sample(windows, 2000)
    alarms = Counter(rule for rule in map(collapse_rule, chosen) if rule)
    print({rule: alarms[rule] / len(chosen) for rule in RULES})
    assert all(alarms[rule] <= 0.01 * len(chosen) for rule in RULES)


def _standard_library() -> list[str]:
    paths = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*.py"))
    return [path.read_text(encoding="utf-8") for path in paths]


def _windows(text: str, num_bytes: int) -> list[str]:
    data = text.encode()
    starts = range(0, len(data) - num_bytes + 1, num_bytes)
    return [data[start : start + num_bytes].decode("utf-8", errors="replace") for start in starts]
