from __future__ import annotations

import math

import pytest

from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.report import QualityReport, report

# As in the origin's report: 28 repetitive, 16 mode_collapse, 7 noise, 1 partial; one keyword.
SEED_S = [
    *[("def add(a, b):", "):" * 32)] * 28,
    *[("class Stack:", ":" * 64)] * 16,
    *[("import x", "abcde")] * 6,
    ("def f(): ", "return abcd"),
    ("x = ", "f(a) + b"),
]


def judged(*texts: tuple[str | None, str]) -> list[CompletionQuality]:
    return [
        CompletionQuality.of(Completion(index=index, prompt=prompt, completion=text))
        for index, (prompt, text) in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def seed_s() -> QualityReport:
    return report(judged(*SEED_S), "seed.jsonl")


def test_the_seed_s_table_is_counted_again(seed_s: QualityReport) -> None:
    assert seed_s.n == 52
    counts = {name: one.count for name, one in seed_s.categories.items()}
    assert counts == {"mode_collapse": 16, "repetitive": 28, "good": 0, "partial": 1, "noise": 7}
    assert [round(100 * one.rate, 1) for one in seed_s.categories.values()] == [30.8, 53.8, 0.0, 1.9, 13.5]
    assert round(100 * seed_s.failure_rate, 1) == 84.6
    assert (seed_s.keyword_rate, seed_s.operator_rate, seed_s.parenthesis_rate) == (1 / 52, 1 / 52, 1 / 52)
    assert [(one.pattern, one.count, one.rate) for one in seed_s.failure_patterns] == [
        ("):", 28, 28 / 52), (":", 16, 16 / 52),
    ]  # fmt: skip


def test_keywords_operators_and_parentheses_are_counted_apart() -> None:
    texts = [("x", "return abcd"), *[("x", "a + bcde")] * 2, *[("x", "print(abc)")] * 3, *[("x", "abcde")] * 2]
    found = report(judged(*texts), "x")
    assert (found.keyword_rate, found.operator_rate, found.parenthesis_rate) == (1 / 8, 2 / 8, 3 / 8)


def test_means_are_those_of_hand_computation(seed_s: QualityReport) -> None:
    # "return abcd" has two r in 11 characters, ten different ones; "f(a) + b" two spaces in 8, seven different.
    assert seed_s.repetition_ratio == pytest.approx((28 * 0.5 + 16 * 1 + 6 * 0.2 + 2 / 11 + 2 / 8) / 52, abs=1e-12)
    assert seed_s.distinct_characters == pytest.approx((28 * 2 + 16 * 1 + 6 * 5 + 10 + 7) / 52, abs=1e-12)


def test_the_detector_s_collapse_stands_beside_the_seed_s(seed_s: QualityReport) -> None:
    assert seed_s.collapse_rules == {"loop": 44}
    assert seed_s.collapse_rate == 44 / 52
    assert seed_s.is_collapsed and not seed_s.is_junk
    (loop,) = judged(("import numpy as np", " np" * 30))
    assert (loop.category, loop.rule) == ("repetitive", "loop")
    (unseen,) = judged(("@property", "property" * 9))
    assert (unseen.category, unseen.rule, unseen.is_origin_failure) == ("noise", "loop", False)
    assert [one.pattern for one in report([unseen], "x").failure_patterns] == ["property"]


@pytest.mark.parametrize(("name", "count"), [("failure", 44), ("collapse", 44), ("keyword", 1), ("junk", 0)])
def test_intervals_end_where_the_share_is_two_standard_errors_away(
    seed_s: QualityReport, name: str, count: int
) -> None:
    """Wilson's: |share - p| = z sqrt(p (1 - p) / n) at both ends p."""
    low, high = getattr(seed_s, f"{name}_rate_interval")
    share = count / 52
    assert low <= share < high
    for end in (low, high):
        assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 52), abs=1e-6)
    if count == 44:
        assert (round(low, 3), round(high, 3)) == (0.725, 0.920)


def test_syntax_is_asked_only_where_the_prompt_can_begin_a_file(seed_s: QualityReport) -> None:
    # Of the 52, the six imports, the function and the assignment.
    assert (seed_s.syntax_rate, seed_s.syntax_n) == (8 / 52, 52)
    mixed = judged(
        ("except KeyError:", "\n    pass\n"), (None, "x = 1\n"), ("def f():", "\n    return 1\n"), ("y = ", ")\n")
    )
    assert [one.is_python for one in mixed] == [None, None, True, False]
    found = report(mixed, "x")
    assert (found.syntax_rate, found.syntax_n, found.n) == (1 / 2, 2, 4)
    none = report(mixed[:2], "x")
    assert (none.syntax_rate, none.syntax_rate_interval, none.syntax_n) == (None, None, 0)


def test_token_soup_is_junk_and_a_collapse_is_not_called_junk_too() -> None:
    soup = "qzx$ vkj~ @@w pqx`` zzk! xq;; jvb^ wkq| %%xz uuqo?? \\kq xj~~ zqp &&vw kx@ jq## bzz`"
    code = "\n    total = 0\n    for item in items:\n        total += item.price\n    return total\n\n\ndef main():\n"
    rare = "☃☂" * 40
    found = judged(("def f():", soup), ("def f(items):", code), ("x", rare))
    assert [one.is_junk for one in found] == [True, False, False]
    assert [one.rule for one in found] == [None, None, "loop"]
    assert report(found, "x").junk_rate == 1 / 3


def test_a_comment_is_blank_only_where_the_model_ended_the_text() -> None:
    comment = Completion(prompt="x = 1", completion="# the number of rows that are read at once")
    assert CompletionQuality.of(comment).rule is None
    assert CompletionQuality.of(comment.model_copy(update={"ended": True})).rule == "blank"


def test_examples_are_the_first_of_each_category(seed_s: QualityReport) -> None:
    shown = [(one.category, one.index, one.distinct_characters) for one in seed_s.examples]
    assert shown == [("mode_collapse", 28, 1), ("repetitive", 0, 2), ("partial", 51, 7), ("noise", 44, 5)]


def test_at_most_five_patterns_are_kept_the_most_common_first() -> None:
    texts = [("x", letter * 70) for place, letter in enumerate("abcdef") for _ in range(1 + place)]
    found = report(judged(*texts), "x").failure_patterns
    assert [(one.pattern, one.count) for one in found] == [("f", 6), ("e", 5), ("d", 4), ("c", 3), ("b", 2)]
