from __future__ import annotations

from nas.report.charts.vocabulary import vocabulary_figure
from tests.helpers.report_studies import trial


def test_vocabulary_figure_shows_the_best_fitness_of_each_cell() -> None:
    better, worse = trial(0, 2.0, 0, 0, 64, 512), trial(1, 2.2, 0, 0, 64, 512)
    figure = vocabulary_figure([worse, better, trial(2, 2.5, 0, 0, 96, 1024), trial(3, 9.0, 0, 0, reference="origin")])
    heatmap = figure.data[0]
    assert list(heatmap.x) == ["512", "1,024"]
    assert list(heatmap.y) == ["64", "96"]
    assert [list(row) for row in heatmap.z] == [[2.0, None], [None, 2.5]]
