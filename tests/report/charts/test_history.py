from __future__ import annotations

from nas.report.charts.history import history_figure, hypervolume_figure, volumes
from tests.helpers.report_studies import ended, trial
from tests.report.charts.test_pareto import points


def test_history_follows_the_trial_numbers_across_gaps() -> None:
    records = [trial(3, 2.5, 0, 0), trial(7, 2.6, 0, 0), ended(8, "fault", "broken"), trial(9, 2.4, 0, 0)]
    figure = history_figure(records)
    assert points(figure, "trials") == {(3, 2.5), (7, 2.6), (9, 2.4)}
    assert points(figure, "best so far") == {(3, 2.5), (7, 2.5), (9, 2.4)}


def test_the_hypervolume_is_measured_from_the_worst_of_all() -> None:
    """The worst point is (3.0, 0.5). Trial 1 adds 1.0 x 0.3; trial 2 adds the strip below it, 0.5 x 0.1."""
    records = [trial(0, 3.0, 0, 0.5), trial(1, 2.0, 0, 0.2), trial(2, 2.5, 0, 0.1)]
    assert [(number, round(volume, 6)) for number, volume in volumes(records)] == [(0, 0.0), (1, 0.3), (2, 0.35)]
    assert list(hypervolume_figure(records).data[0].x) == [0, 1, 2]
