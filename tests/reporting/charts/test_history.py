from __future__ import annotations

from nas.reporting.charts.history import history_figure

from ..studies import ended, trial
from .test_pareto import points


def test_history_follows_the_trial_numbers_across_gaps() -> None:
    records = [trial(3, 2.5, 0, 0), trial(7, 2.6, 0, 0), ended(8, "FAIL", "broken"), trial(9, 2.4, 0, 0)]
    figure = history_figure(records)
    assert points(figure, "trials") == {(3, 2.5), (7, 2.6), (9, 2.4)}
    assert points(figure, "best so far") == {(3, 2.5), (7, 2.5), (9, 2.4)}
