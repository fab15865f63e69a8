from __future__ import annotations

from typing import Any

import pytest

from nas.records.study import StudyRecord
from nas.records.trial import TrialRecord
from nas.report.study.health import Finding, findings_of, lost_trials
from nas.report.study.view import StudyView
from nas.scaling_law.fitted_law import NoLaw, Prediction, TargetChoice, TargetComparison
from tests.helpers.report_studies import ended, five, point, study, trial, verdict
from tests.helpers.tiny_models import tiny


def finding_of(name: str, record: StudyRecord, records: list[TrialRecord]) -> Finding:
    return next(finding for finding in findings_of(StudyView.build(record, records)) if finding.name == name)


def test_a_study_without_trials_has_nothing_to_check() -> None:
    assert findings_of(StudyView.build(study(), [])) == []


def test_a_leak_is_named() -> None:
    assert finding_of("leak gates", study(), five()).kind == "fine"
    leaking = [*five(), ended(7, "leak", "leak: future: the logits change; look at the mask")]
    finding = finding_of("leak gates", study(), leaking)
    assert finding.kind == "look" and "trials 7" in finding.words


@pytest.mark.parametrize(
    ("end", "reason", "kind", "words"),
    [
        ("stopped", "stopped at rung 1 of 3: rank 9 of 9", "fine", "1 stopped early, as planned."),
        ("over_limit", "over the limit, not trained: max_params by 3%", "fine", "1 over a limit, as planned."),
        ("diverged", "the training loss is nan by step 3 of 9", "look", "Of 6: 1 diverged."),
        ("fault", "KeyError: 'x'", "look", "Of 6: 1 failed."),
    ],
)
def test_trials_without_a_result_are_counted_by_kind(end: str, reason: str, kind: str, words: str) -> None:
    finding = finding_of("trials without a result", study(), [*five(), ended(5, end, reason)])
    assert finding.kind == kind
    assert words in finding.words


def test_a_gap_within_the_noise_of_seeds_is_reported() -> None:
    """The two best, fitness 2.05 and 2.10, are 0.05 apart."""
    small = verdict((1, 1.95, 0, 0.1)) + verdict((1, 1.96, 0, 0.1), seed=8)
    large = verdict((1, 1.95, 0, 0.1)) + verdict((1, 2.15, 0, 0.1), seed=8)
    name = "seed noise against the gap"
    assert [finding_of(name, study(verdict=results), five()).kind for results in (small, large, ())] == [
        "fine",
        "look",
        "unknown",
    ]


@pytest.mark.parametrize(
    ("search", "kind"),
    [
        ({"hidden_dim": [64, 96, 128]}, "look"),
        ({"hidden_dim": [64, 96, 128, 192]}, "fine"),
        ({"hidden_dim": [64, 128]}, "fine"),
        ({"num_layers": {"min": 2, "max": 6}}, "look"),
        ({"num_layers": {"min": 1, "max": 6}}, "fine"),
        ({"query_group_size": [1, 2, 4]}, "fine"),
        ({"activation": ["gelu", "relu2", "swiglu"]}, "fine"),
        ({}, "unknown"),
    ],
)
def test_a_best_at_the_edge_of_the_space_is_reported(search: dict[str, Any], kind: str) -> None:
    """The best has two layers of width 128.

    Dimensions of two values do not count, because each value is an edge; nor does a query group of one, because none is
    smaller.
    """
    assert finding_of("edges of the space", study(space={"search": search}), five()).kind == kind


def test_a_predicted_best_at_the_edge_of_the_space_is_reported() -> None:
    """The best, of width 128, lies inside; the predicted best at the target has width 192, the maximum allowed."""

    def choice(width: int) -> TargetChoice:
        shape = tiny(hidden_dim=width)
        predicted = Prediction(bpb=1.2, low=1.1, high=1.3)
        return TargetChoice(
            architecture=shape,
            vocabulary="bytes",
            lr_multiplier=1.0,
            point=point(shape, 256),
            train_bytes=1.0,
            predicted=predicted,
        )

    at = TargetComparison(
        target_flops=4e14, best=choice(192), searched=choice(128), win_probability=0.9, shortcomings=()
    )
    searched = {"search": {"hidden_dim": [64, 96, 128, 192]}}
    finding = finding_of("edges of the space", study(space=searched, at_target=at), five())
    assert finding.kind == "look"
    assert finding.words.startswith("The predicted best at 4e+14 FLOPs lies at hidden_dim = 192, the maximum")
    same = at.model_copy(update={"best": at.searched})
    assert finding_of("edges of the space", study(space=searched, at_target=same), five()).kind == "fine"


def test_copies_across_the_split_are_those_of_the_manifest() -> None:
    assert finding_of("copies across the split", study(), five()).kind == "unknown"
    corpus = {"similarity": {"train_to_evaluation_at_most": 0.34, "copied_share_at_most": 0.48}}
    finding = finding_of("copies across the split", study(corpus=corpus), five())
    assert finding.kind == "fine" and "0.34" in finding.words and "48%" in finding.words


def test_a_missing_law_is_explained() -> None:
    finding = finding_of("the law's prediction", study(law=NoLaw(reason="3 trials")), [trial(0, 2.0, 0, 0)])
    assert finding.kind == "unknown" and "3 trials" in finding.words


def test_trials_without_a_result_are_listed_unless_the_stopping_rule_stopped_them() -> None:
    records = [*five(), ended(5, "stopped", "place 9 of 9"), ended(6, "fault", "x"), ended(7, "over_limit", "y")]
    assert [record.number for record in lost_trials(StudyView.build(study(), records))] == [6, 7]
