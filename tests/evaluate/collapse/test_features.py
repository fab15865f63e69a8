from __future__ import annotations

import math
import random

import pytest

from nas.evaluate.collapse.features import (
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


def slow_last_loop(text: str) -> int:
    """By the definition: the longest end of the text that repeats with a period of at most a third of it."""
    for start in range(len(text)):
        end = text[start:]
        if any(
            all(end[index] == end[index - period] for index in range(period, len(end)))
            for period in range(1, len(end) // 3 + 1)
        ):
            return len(end)
    return 0


def drawn(alphabet: str) -> list[str]:
    draw = random.Random(alphabet)
    texts = ["".join(draw.choices(alphabet, k=length)) for length in range(24) for _ in range(12)]
    return texts + [text + text[:3] * 4 for text in texts]


@pytest.mark.parametrize("alphabet", ["ab", "abc", "a\n", "aé\U0001f600"])
def test_loops_are_the_brute_force_ones(alphabet: str) -> None:
    texts = drawn(alphabet)
    assert [longest_loop(text) for text in texts] == [slow_longest_loop(text) for text in texts]
    assert [last_loop(text) for text in texts] == [slow_last_loop(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "anywhere", "last"),
    [
        ("", 0, 0),
        ("aa", 0, 0),
        ("aaa", 3, 3),
        ("ababa", 0, 0),
        ("ababab", 6, 6),
        ("xabababay", 7, 0),
        ("abcabcabcab", 11, 11),
        ("aaabbbbb", 5, 5),
        ("bbbbbaaa", 5, 3),
        ("aaaaab", 5, 0),
        ("\ud800\ud800\ud800", 3, 3),
        ("\ufffd" * 4, 4, 4),
    ],
)
def test_loops_by_hand(text: str, anywhere: int, last: int) -> None:
    assert (longest_loop(text), last_loop(text)) == (anywhere, last)


@pytest.mark.parametrize(
    ("text", "covered"),
    [("x0 = 0; " * 3, 0), ("name0 = 0; " * 3, 33), ("0, " * 9, 0), ("):" * 9, 18), ("0x0f, " * 4, 0)],
)
def test_with_numbers_a_loop_needs_words(text: str, covered: int) -> None:
    assert last_loop(text, needs_words=True) == covered
    assert last_loop(text) == len(text)


def test_blanks_are_joined_and_numbers_are_one_zero() -> None:
    assert with_single_blanks("a  b\t c\n\n    d") == "a b c\n\n d"
    assert without_numbers("x12 =  3.14e5") == "x0 = 0.0e0"


def test_shares_and_entropy_by_hand() -> None:
    assert visible_share("a b\n") == 0.5
    assert visible_share("") == 0
    assert character_entropy("aabb") == 1
    assert character_entropy("abcd") == 2
    assert character_entropy("aaab") == pytest.approx(2 - 0.75 * math.log2(3))
    assert character_entropy("") == 0
    assert character_entropy("aaaa") == 0


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0), ("a\na", 0), ("a\nb\nc", 0), ("a\nb\n  a", 1 / 3), ("a\n\na\n\na\nb", 0.5), ("a\n" * 4, 0.75)],
)
def test_the_share_of_repeated_lines_by_hand(text: str, share: float) -> None:
    assert repeated_line_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("completion", "prompt", "share"),
    [
        ("def add(a, b):", "def add(a, b):", 1),
        ("\n    return a", "def f(a):\n    return a + 1", 1),
        ("abcdefgh", "xxabcdyy", 0.5),
        ("abc", "", 0),
        ("", "abc", 0),
        ("xyz", "abc", 0),
    ],
)
def test_the_copied_share_is_the_longest_beginning_that_occurs_in_the_prompt(
    completion: str, prompt: str, share: float
) -> None:
    assert copied_share(completion, prompt) == share


def test_a_near_loop_is_all_but_one_turn_of_a_loop() -> None:
    # 6 turns of 10 characters; a trigram may begin in the first turn's last two places, 2 of 60 - 10 more.
    assert near_loop_share("abcdefghij" * 6) == 1
    assert near_loop_share("abcdefghij") == 0  # too short to hold a loop
    unlike = "The quick brown fox jumps over a lazy dog; pack my box with five dozen jugs."
    assert near_loop_share(unlike) < 0.1


def test_noise_costs_a_near_loop_only_its_neighbourhood() -> None:
    text = list("value, other, third; " * 10)
    text[100] = "#"  # the trigrams that hold it, there and one turn on, are not equal to those one turn before
    share = near_loop_share("".join(text))
    assert 0.9 < share < 1


def test_a_turn_of_a_near_loop_may_be_longer_by_one() -> None:
    assert near_loop_share("value = first;" * 4 + "value = first;;" * 4) > 0.95


def test_tables_of_numbers_are_not_near_loops() -> None:
    assert near_loop_share("0, 0, 0, " * 20) < 0.4
    assert near_loop_share("a, b, c, " * 20) == 1
