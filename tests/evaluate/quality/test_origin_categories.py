from __future__ import annotations

import pytest

from nas.evaluate.quality.origin_categories import (
    CATEGORIES,
    KEYWORDS,
    OPERATORS,
    distinct_characters,
    failure_pattern,
    has_keyword,
    has_operator,
    has_parentheses,
    origin_category,
    repetition_ratio,
)


def test_the_examples_of_the_origin_get_its_figures() -> None:
    assert (distinct_characters("):" * 33), repetition_ratio("):" * 33)) == (2, 0.5)
    assert (distinct_characters(":" * 65), repetition_ratio(":" * 65)) == (1, 1.0)
    assert origin_category("):" * 33) == "repetitive"
    assert origin_category(":" * 65) == "mode_collapse"


@pytest.mark.parametrize(
    ("completion", "category"),
    [
        ("", "repetitive"),
        ("x", "mode_collapse"),
        ("aaaabcdef" + "a" * 31, "mode_collapse"),  # 35 of 40
        ("aaaaaaaabb", "repetitive"),  # 8 of 10 is not above 0.8
        ("a" * 32 + "=return ", "good"),  # nor is 32 of 40
        ("abcd", "repetitive"),
        ("abcde", "noise"),
        ("return a + b", "good"),
        ("return abcd", "noise"),
        ("a + bcde", "partial"),
        ("print(abc)", "partial"),
        ("print(abc", "noise"),
        (")x(yz", "partial"),
        ("format->", "good"),
        ("pass", "repetitive"),
    ],
)
def test_categories_by_hand(completion: str, category: str) -> None:
    assert origin_category(completion) == category


@pytest.mark.parametrize(
    ("completion", "category"),
    [
        ("property" * 8, "noise"),
        (" self, self, self" * 4, "noise"),
        ("self.x = self.x = " * 4, "good"),
        ("if ) = [ def import + : class", "good"),
    ],
)
def test_loops_and_token_soup_are_missed_as_the_docstring_says(completion: str, category: str) -> None:
    assert origin_category(completion) == category


def test_the_categories_stand_in_the_order_in_which_they_are_tried() -> None:
    assert CATEGORIES == ("mode_collapse", "repetitive", "good", "partial", "noise")
    # Each text fits its category and every later one but noise.
    good = "return f(x) + 1"
    texts = ["=" * 90 + good, "(=)(=)", good, "f(x) + 1", "wxyz, w"]
    assert [origin_category(text) for text in texts] == list(CATEGORIES)


@pytest.mark.parametrize("keyword", ["def", "class", "if", "for", "while", "import", "return", "self"])
def test_a_keyword_counts_also_inside_a_word(keyword: str) -> None:
    assert keyword in KEYWORDS and len(KEYWORDS) == 8
    assert has_keyword(f"x{keyword}y")
    assert not has_keyword(keyword[:-1] + "X")


@pytest.mark.parametrize("operator", "=+-*/><")
def test_an_operator_counts_anywhere(operator: str) -> None:
    assert operator in OPERATORS and len(OPERATORS) == 7
    assert has_operator(f"'{operator}'")
    assert not has_operator("not a % b ^ c & d | e ~ f @ g")


@pytest.mark.parametrize(("text", "expected"), [("()", True), (")(", True), ("((", False), ("))", False), ("", False)])
def test_parentheses_are_both(text: str, expected: bool) -> None:
    assert has_parentheses(text) is expected


@pytest.mark.parametrize(
    ("text", "ratio"), [("", 0.0), ("a", 1.0), ("aab ", 0.5), ("    x", 0.8), ("éé\U0001f600", 2 / 3)]
)
def test_the_repetition_ratio_by_hand(text: str, ratio: float) -> None:
    assert repetition_ratio(text) == ratio


@pytest.mark.parametrize(
    ("completion", "pattern"),
    [
        ("):):):", "):"),
        ("):):):)", "):"),
        ("::::", ":"),
        (" np np np", " np"),
        ("property" * 3 + "prop", "property"),
        ("aabaabaab", "aab"),
        ("aaab", "a"),
        ("abab", "abab"),
        ("::", "::"),
        ("xababab", "xababab"),
        ("\n    return self.value", "\n    return "),
        ("", ""),
    ],
)
def test_the_failure_pattern_is_the_unit_of_the_loop_at_the_start(completion: str, pattern: str) -> None:
    assert failure_pattern(completion) == pattern
