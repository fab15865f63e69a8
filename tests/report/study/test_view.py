from __future__ import annotations

import pytest

from nas.report.study.view import StudyView
from nas.scaling_law.fitted_law import NoLaw
from tests.helpers.report_studies import ended, five, study, verdict


@pytest.mark.parametrize(
    ("weight", "ranked"), [(None, [1, 0, 2, 3, 4]), (1.0, [1, 0, 2, 3, 4]), (3.0, [0, 1, 3, 2, 4])]
)
def test_trials_are_ranked_at_the_weight_of_the_view(weight: float | None, ranked: list[int]) -> None:
    """At weight 3 the fitness is 2.30, 2.45, 2.90, 2.50 and 3.80."""
    view = StudyView.build(study(), [*five(), ended(5, "fault", "x")], weight)
    assert [record.number for record in view.ranked] == ranked
    assert [record.number for record in view.searched] == ranked[:4]
    assert [record.number for record in (*view.references, *view.unfinished)] == [4, 5]
    assert view.has_own_weight == (weight != 3.0)
    assert view.best is view.ranked[0]


def test_the_best_is_that_of_the_verdict_once_there_is_one() -> None:
    results = verdict((1, 1.95, 0.2, 0.3), (0, 2.10, 0.0, 0.1))
    view = StudyView.build(study(verdict=results), five())
    assert view.best is not None and view.best_finalist is not None and view.holdout_metrics is not None
    assert (view.ranked[0].number, view.best.number) == (1, 0)
    assert (view.best_finalist.number, view.best_finalist.bpb, view.holdout_metrics.bpb) == (0, 2.10, 1.95)


def test_a_study_without_trials_has_no_best_and_may_explain_the_missing_law() -> None:
    view = StudyView.build(study(law=NoLaw(reason="3 trials")), [])
    assert (view.best, view.best_finalist, view.comparison, view.law) == (None, None, None, None)
    assert view.no_law_reason == "3 trials"
    assert StudyView.build(study(), []).no_law_reason is None
