from __future__ import annotations

from nas.report.parts import tables
from nas.report.parts.words import MISSING
from tests.helpers.report_studies import ended, five


def test_ranking_is_by_fitness_and_aligned() -> None:
    lines = tables.ranking([*five(), ended(5, "fault", "broken")], top=3)
    assert lines == [
        "rank  trial  val_bpb  novel  collapse  fitness  params  architecture",
        "   1      1    1.850  2.100     0.200    2.050    689k  L2 H128 V2048 swiglu x3 rmsnorm rope 2 heads tied",
        "   2      0    2.000  2.250     0.100    2.100    338k  L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied",
        "   3      2    2.000  2.250     0.300    2.300    172k  L2 H64 V1024 swiglu x3 rmsnorm rope 2 heads tied",
    ]


def test_the_front_counts_parameters_too() -> None:
    """Trial 2 loses to trial 0 on both scores, but has fewer parameters; the seed loses in all three."""
    numbers = [int(line.split()[1]) for line in tables.front(five())[1:]]
    assert numbers == [1, 0, 2, 3]


def test_a_reference_is_named() -> None:
    assert tables.ranking(five())[-1].endswith("V50257 swiglu x3 rmsnorm rope 2 heads tied (origin)")


def test_a_record_without_novel_lines_has_no_figure_for_them() -> None:
    (record, *_) = five()
    assert record.validation is not None
    validation = record.validation.model_copy(update={"novel_bpb": None})
    old = record.model_copy(update={"rungs": (record.rungs[-1].model_copy(update={"validation": validation}),)})
    assert tables.ranking([old])[1].split()[2:4] == ["2.000", MISSING]


def test_without_a_complete_trial_there_are_no_lines() -> None:
    assert tables.ranking([ended(0, "over_limit", "too large")]) == []
    assert tables.front([]) == []
