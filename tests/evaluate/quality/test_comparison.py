from __future__ import annotations

import pytest

from nas.evaluate.quality.comparison import compare, side_by_side
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.evaluation import QualityEvaluation
from nas.evaluate.quality.report import report

LOOP, WELL = ":" * 64, "abcdefghij"
NAMES = ("one", "two")


def judged(
    texts: list[str], prompts: list[str] | None = None, indices: list[int] | None = None
) -> list[CompletionQuality]:
    return [
        CompletionQuality.of(
            Completion(
                completion=text,
                prompt=prompts[place] if prompts else None,
                index=indices[place] if indices else None,
            )
        )
        for place, text in enumerate(texts)
    ]


def test_pairs_are_made_by_prompt_and_tested() -> None:
    """Only the first collapses on p0 to p4, only the other on p5, both on p6: McNemar p = 2 (1 + 6) / 2^6."""
    prompts = [f"p{place}" for place in range(7)]
    first = judged([LOOP] * 5 + [WELL, LOOP], prompts)
    other = judged([LOOP, LOOP, *[WELL] * 5], prompts[::-1])
    found = compare(first, other, NAMES, "origin")
    assert (found.num_pairs, found.only_first, found.only_other) == (7, 5, 1)
    assert found.collapse_p == 14 / 64
    # A loop's ratio is 1, the other text's 0.1.
    assert found.repetition_difference == pytest.approx((-0.9 * 5 + 0.9) / 7, abs=1e-12)
    # Of the 64 signs of six equal differences, 14 give a sum as far from zero.
    assert found.repetition_p == pytest.approx(14 / 64, abs=0.02)
    assert (found.first, found.other, found.protocol, found.not_paired) == ("one", "two", "origin", None)


def test_prompts_of_one_side_only_are_left_out_and_repeated_ones_go_in_order() -> None:
    first = judged([LOOP, WELL, LOOP], ["a", "a", "b"])
    other = judged([LOOP, LOOP, WELL, WELL], ["c", "a", "a", "a"])
    found = compare(first, other, NAMES)
    assert (found.num_pairs, found.only_first, found.only_other) == (2, 0, 0)


def test_without_prompts_the_index_pairs() -> None:
    found = compare(judged([LOOP, WELL], None, [4, 7]), judged([WELL, LOOP], ["a", "b"], [7, 9]), NAMES)
    assert (found.num_pairs, found.only_first, found.only_other) == (1, 0, 0)


@pytest.mark.parametrize(
    ("first", "other", "reason"),
    [
        (judged([LOOP], ["a"]), judged([LOOP], ["b"]), "no prompt in common"),
        (judged([LOOP], ["a"]), [], "two has no completions of this protocol"),
        ([], judged([LOOP], ["a"]), "one has no completions of this protocol"),
        (judged([LOOP]), judged([LOOP], ["b"], [0]), "prompts are not told, and no index is in common"),
        (judged([LOOP, LOOP], None, [3, 3]), judged([LOOP], None, [3]), "or one is missing or stands twice"),
        (judged([LOOP], None, [1]), judged([LOOP], None, [2]), "no index is in common"),
    ],
)
def test_what_cannot_be_paired_says_why(
    first: list[CompletionQuality], other: list[CompletionQuality], reason: str
) -> None:
    found = compare(first, other, NAMES)
    assert found.not_paired is not None and reason in found.not_paired
    assert (found.num_pairs, found.collapse_p, found.repetition_p) == (0, None, None)


def evaluation(name: str, protocol: str | None) -> QualityEvaluation:
    texts = judged([LOOP], ["a"])
    return QualityEvaluation(report(texts, name, protocol), tuple(texts))


def test_a_table_a_protocol_with_foreign_completions_in_each() -> None:
    tables = side_by_side(
        {
            "model": [evaluation("model", "origin"), evaluation("model", "greedy")],
            "part": [evaluation("part", "greedy")],
            "foreign": [evaluation("foreign", None)],
        }
    )
    assert [table.protocol for table in tables] == ["origin", "greedy"]
    assert [[row.report.input for row in table.rows] for table in tables] == [
        ["model", "foreign"], ["model", "part", "foreign"],
    ]  # fmt: skip
    assert [[one.not_paired for one in table.comparisons] for table in tables] == [
        ["part has no completions of this protocol", None], [None, None],
    ]  # fmt: skip


def test_completions_of_no_protocol_make_one_table() -> None:
    (table,) = side_by_side({"x": [evaluation("x", None)], "y": [evaluation("y", None)]})
    assert (table.protocol, len(table.rows), table.comparisons[0].num_pairs) == (None, 2, 1)
