from __future__ import annotations

import math

import pytest

from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.report import QualityReport, quality_report

# As in the origin's report: 28 repetitive, 16 mode_collapse, 7 noise, 1 partial; one keyword.
ORIGIN_COMPLETIONS = [
    *[("def add(a, b):", "):" * 32)] * 28,
    *[("class Stack:", ":" * 64)] * 16,
    *[("import x", "abcde")] * 6,
    ("def f(): ", "return abcd"),
    ("x = ", "f(a) + b"),
]


def measured(*texts: tuple[str | None, str]) -> list[CompletionQuality]:
    return [
        CompletionQuality.measure(Completion(index=index, prompt=prompt, completion=text))
        for index, (prompt, text) in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def origin() -> QualityReport:
    return quality_report(measured(*ORIGIN_COMPLETIONS), "origin.jsonl")


def test_the_origin_table_is_counted_again(origin: QualityReport) -> None:
    assert origin.n == 52
    counts = {name: share.count for name, share in origin.categories.items()}
    assert counts == {"mode_collapse": 16, "repetitive": 28, "good": 0, "partial": 1, "noise": 7}
    assert [round(100 * share.rate, 1) for share in origin.categories.values()] == [30.8, 53.8, 0.0, 1.9, 13.5]
    assert round(100 * origin.failure_rate, 1) == 84.6
    assert (origin.keyword_rate, origin.operator_rate, origin.parenthesis_rate) == (1 / 52, 1 / 52, 1 / 52)
    assert [(pattern.pattern, pattern.count, pattern.rate) for pattern in origin.failure_patterns] == [
        ("):", 28, 28 / 52), (":", 16, 16 / 52),
    ]  # fmt: skip


def test_keywords_operators_and_parentheses_are_counted_apart() -> None:
    texts = [("x", "return abcd"), *[("x", "a + bcde")] * 2, *[("x", "print(abc)")] * 3, *[("x", "abcde")] * 2]
    report = quality_report(measured(*texts), "x")
    assert (report.keyword_rate, report.operator_rate, report.parenthesis_rate) == (1 / 8, 2 / 8, 3 / 8)


def test_means_are_those_of_hand_computation(origin: QualityReport) -> None:
    # "return abcd" has two r in 11 characters, ten different ones; "f(a) + b" two spaces in 8, seven different.
    assert origin.repetition_ratio == pytest.approx((28 * 0.5 + 16 * 1 + 6 * 0.2 + 2 / 11 + 2 / 8) / 52, abs=1e-12)
    assert origin.distinct_characters == pytest.approx((28 * 2 + 16 * 1 + 6 * 5 + 10 + 7) / 52, abs=1e-12)


def test_the_detector_finds_collapses_that_the_categories_miss(origin: QualityReport) -> None:
    assert origin.collapse_rules == {"loop": 44}
    assert origin.collapse_rate == 44 / 52
    assert origin.is_collapsed and not origin.is_junk
    (loop,) = measured(("import numpy as np", " np" * 30))
    assert (loop.category, loop.rule) == ("repetitive", "loop")
    (missed,) = measured(("@property", "property" * 9))
    assert (missed.category, missed.rule, missed.is_origin_failure) == ("noise", "loop", False)
    assert [pattern.pattern for pattern in quality_report([missed], "x").failure_patterns] == ["property"]


@pytest.mark.parametrize(("name", "count"), [("failure", 44), ("collapse", 44), ("keyword", 1), ("junk", 0)])
def test_intervals_satisfy_wilson_s_equation(origin: QualityReport, name: str, count: int) -> None:
    """Check Wilson's equation: |share - p| = z sqrt(p (1 - p) / n) at both ends p."""
    low, high = getattr(origin, f"{name}_rate_interval")
    share = count / 52
    assert low <= share < high
    for end in (low, high):
        assert abs(share - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / 52), abs=1e-6)
    if count == 44:
        assert (round(low, 3), round(high, 3)) == (0.725, 0.920)


def test_syntax_is_checked_only_where_the_prompt_can_begin_a_file(origin: QualityReport) -> None:
    # Of the 52, the six imports, the function and the assignment.
    assert (origin.syntax_rate, origin.syntax_n) == (8 / 52, 52)
    mixed = measured(
        ("except KeyError:", "\n    pass\n"), (None, "x = 1\n"), ("def f():", "\n    return 1\n"), ("y = ", ")\n")
    )
    assert [quality.is_python for quality in mixed] == [None, None, True, False]
    report = quality_report(mixed, "x")
    assert (report.syntax_rate, report.syntax_n, report.n) == (1 / 2, 2, 4)
    none = quality_report(mixed[:2], "x")
    assert (none.syntax_rate, none.syntax_rate_interval, none.syntax_n) == (None, None, 0)


def test_token_soup_is_junk_and_a_collapse_is_not() -> None:
    soup = "qzx$ vkj~ @@w pqx`` zzk! xq;; jvb^ wkq| %%xz uuqo?? \\kq xj~~ zqp &&vw kx@ jq## bzz`"
    code = "\n    total = 0\n    for item in items:\n        total += item.price\n    return total\n\n\ndef main():\n"
    rare = "☃☂" * 40
    qualities = measured(("def f():", soup), ("def f(items):", code), ("x", rare))
    assert [quality.is_junk for quality in qualities] == [True, False, False]
    assert [quality.rule for quality in qualities] == [None, None, "loop"]
    assert quality_report(qualities, "x").junk_rate == 1 / 3


def test_a_comment_is_blank_only_where_the_model_ended_the_text() -> None:
    comment = Completion(prompt="x = 1", completion="# the number of rows that are read at once")
    assert CompletionQuality.measure(comment).rule is None
    assert CompletionQuality.measure(comment.model_copy(update={"ended": True})).rule == "blank"


def test_examples_are_the_first_of_each_category(origin: QualityReport) -> None:
    shown = [(example.category, example.index, example.distinct_characters) for example in origin.examples]
    assert shown == [("mode_collapse", 28, 1), ("repetitive", 0, 2), ("partial", 51, 7), ("noise", 44, 5)]


def test_at_most_five_patterns_are_kept_the_most_common_first() -> None:
    texts = [("x", letter * 70) for place, letter in enumerate("abcdef") for _ in range(1 + place)]
    patterns = quality_report(measured(*texts), "x").failure_patterns
    assert [(pattern.pattern, pattern.count) for pattern in patterns] == [
        ("f", 6),
        ("e", 5),
        ("d", 4),
        ("c", 3),
        ("b", 2),
    ]
