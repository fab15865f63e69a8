from __future__ import annotations

import pytest

from nas.evaluate.quality.comparison import compare, comparison_tables
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.evaluation import QualityEvaluation
from nas.evaluate.quality.report import quality_report

LOOP, HEALTHY = ":" * 64, "abcdefghij"
NAMES = ("left", "right")


def measured(
    texts: list[str], prompts: list[str] | None = None, indices: list[int] | None = None
) -> list[CompletionQuality]:
    return [
        CompletionQuality.measure(
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
    first = measured([LOOP] * 5 + [HEALTHY, LOOP], prompts)
    other = measured([LOOP, LOOP, *[HEALTHY] * 5], prompts[::-1])
    comparison = compare(first, other, NAMES, "origin")
    assert (comparison.num_pairs, comparison.only_first, comparison.only_other) == (7, 5, 1)
    assert comparison.collapse_p == pytest.approx(14 / 64, rel=1e-12)
    # A loop's ratio is 1, the other text's 0.1.
    assert comparison.repetition_difference == pytest.approx((-0.9 * 5 + 0.9) / 7, abs=1e-12)
    # Of the 64 signs of six equal differences, 14 give a sum as far from zero.
    assert comparison.repetition_p == pytest.approx(14 / 64, abs=0.02)
    assert (comparison.first, comparison.other) == NAMES
    assert (comparison.protocol, comparison.not_paired) == ("origin", None)


def test_prompts_of_one_side_only_are_left_out_and_repeated_ones_go_in_order() -> None:
    first = measured([LOOP, HEALTHY, LOOP], ["a", "a", "b"])
    other = measured([LOOP, LOOP, HEALTHY, HEALTHY], ["c", "a", "a", "a"])
    comparison = compare(first, other, NAMES)
    assert (comparison.num_pairs, comparison.only_first, comparison.only_other) == (2, 0, 0)


def test_without_prompts_the_index_pairs() -> None:
    comparison = compare(measured([LOOP, HEALTHY], None, [4, 7]), measured([HEALTHY, LOOP], ["a", "b"], [7, 9]), NAMES)
    assert (comparison.num_pairs, comparison.only_first, comparison.only_other) == (1, 0, 0)


@pytest.mark.parametrize(
    ("first", "other", "reason"),
    [
        (measured([LOOP], ["a"]), measured([LOOP], ["b"]), "no prompt in common"),
        (measured([LOOP], ["a"]), [], "right has no completions of this protocol"),
        ([], measured([LOOP], ["a"]), "left has no completions of this protocol"),
        (measured([LOOP]), measured([LOOP], ["b"], [0]), "prompts are missing, and indices"),
        (measured([LOOP, LOOP], None, [3, 3]), measured([LOOP], None, [3]), "repeated"),
        (measured([LOOP], None, [1]), measured([LOOP], None, [2]), "not in common"),
    ],
)
def test_results_that_cannot_be_paired_have_a_reason(
    first: list[CompletionQuality], other: list[CompletionQuality], reason: str
) -> None:
    comparison = compare(first, other, NAMES)
    assert comparison.not_paired is not None and reason in comparison.not_paired
    assert (comparison.num_pairs, comparison.collapse_p, comparison.repetition_p) == (0, None, None)


def evaluation(name: str, protocol: str | None) -> QualityEvaluation:
    texts = measured([LOOP], ["a"])
    return QualityEvaluation(quality_report(texts, name, protocol), tuple(texts))


def test_each_protocol_has_a_table_with_completions_of_unknown_protocol_in_all() -> None:
    tables = comparison_tables(
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
    assert [[comparison.not_paired for comparison in table.comparisons] for table in tables] == [
        ["part has no completions of this protocol", None], [None, None],
    ]  # fmt: skip


def test_completions_of_unknown_protocol_make_one_table() -> None:
    (table,) = comparison_tables({"x": [evaluation("x", None)], "y": [evaluation("y", None)]})
    assert (table.protocol, len(table.rows), table.comparisons[0].num_pairs) == (None, 2, 1)
