from __future__ import annotations

from pathlib import Path

from nas.records.trial import completed, front
from nas.report.parts.words import MISSING
from nas.report.study.text import markdown, ranking, result_lines, study_lines
from nas.report.study.view import StudyView
from nas.scaling_law.fitted_law import NoLaw
from tests.helpers.report_studies import ended, five, study, verdict


def test_ranking_is_by_fitness_and_aligned() -> None:
    lines = ranking(completed([*five(), ended(5, "fault", "broken")])[:3])
    assert lines == [
        "rank  trial  val_bpb  novel  collapse  fitness  params  architecture",
        "   1      1    1.850  2.100     0.200    2.050    689k  L2 H128 V2048 swiglu x3 rmsnorm rope 2 heads tied",
        "   2      0    2.000  2.250     0.100    2.100    338k  L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied",
        "   3      2    2.000  2.250     0.300    2.300    172k  L2 H64 V1024 swiglu x3 rmsnorm rope 2 heads tied",
    ]


def test_the_front_counts_parameters_too() -> None:
    """Trial 2 loses to trial 0 on both scores, but has fewer parameters; the origin loses in all three."""
    numbers = [int(line.split()[1]) for line in ranking(front(five()))[1:]]
    assert numbers == [1, 0, 2, 3]


def test_a_reference_is_named() -> None:
    assert ranking(completed(five()))[-1].endswith("V50257 swiglu x3 rmsnorm rope 2 heads tied (origin)")


def test_a_record_without_novel_lines_has_no_figure_for_them() -> None:
    (record, *_) = five()
    assert record.validation is not None
    validation = record.validation.model_copy(update={"novel_bpb": None})
    without = record.model_copy(update={"rungs": (record.rungs[-1].model_copy(update={"validation": validation}),)})
    assert ranking([without])[1].split()[2:4] == ["2.000", MISSING]


def test_without_a_complete_trial_there_is_no_ranking() -> None:
    view = StudyView.build(study(), [ended(0, "over_limit", "too large")])
    assert ranking(view.ranked) == []
    assert study_lines(view)[-1] == "no trial has completed yet"


def test_the_result_has_the_finalists_with_their_gap_and_the_reason_for_no_law() -> None:
    """Trial 1 has a fitness of 2.25 and 2.26 on the holdout, trial 0 of 2.40 twice; trial 2 diverged with one seed."""
    results = verdict((1, 1.95, 0.2, 0.3), (0, 2.30, 0.0, 0.1)) + verdict(
        (1, 1.96, 0.2, 0.3), (0, 2.30, 0.0, 0.1), seed=8
    )
    lost = results[0].model_copy(update={"number": 2, "metrics": None, "fitness": None, "reason": "a NaN loss"})
    record = study(verdict=(*results, lost), law=NoLaw(reason="too few trials"))
    lines = [line.split() for line in result_lines(StudyView.build(record, five()))]
    assert lines[0][:3] == ["best", "trial", "1:"]
    finalists = [line for line in lines if line[:2] == ["holdout", "trial"]]
    assert [(line[2], line[line.index("fitness") + 1]) for line in finalists] == [("1", "2.255"), ("0", "2.400")]
    assert finalists[1][-3] == "+0.145"
    assert ["trial", "2", "diverged", "with", "seed", "7:", "a", "NaN", "loss"] in lines
    assert ["at", "target", "no", "scaling", "law:", "too", "few", "trials"] in lines


def test_markdown_has_the_verdict_the_front_the_checks_and_the_commands(tmp_path: Path) -> None:
    (tmp_path / "arch.json").write_text("{}")
    results = verdict((1, 1.95, 0.2, 0.3), (0, 2.30, 0.0, 0.1))
    lines = markdown(tmp_path, StudyView.build(study(verdict=results), five())).splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# Study base",
        "## Verdict on the holdout",
        "## Front: bits per byte, collapse rate, parameters",
        "## Health",
        "## What to do next",
    ]
    assert "| trial 1 | 1.950 | 2.200 | 0.300 | 2.250 | \N{EN DASH} | " in "\n".join(lines)
    assert f"python -m nas.train --arch-json {tmp_path}/arch.json --max-steps 2000  # train it fully" in lines
    tables = [line.count("|") for line in lines if line.startswith("|")]
    assert set(tables) == {8}, "each row has seven cells"


def test_markdown_in_a_record_is_escaped(tmp_path: Path) -> None:
    text = markdown(tmp_path, StudyView.build(study(name="<b>*x*|"), []))
    assert text.startswith("# Study \\<b\\>\\*x\\*\\|\n\nNo trial")
