from __future__ import annotations

from nas.report.charts.parallel import parallel_figure
from nas.report.charts.slices import slice_figures
from tests.helpers.report_studies import many, trial


def test_the_best_tenth_stands_in_colour() -> None:
    records = [one for one in many(40) if not one.reference]
    figure = parallel_figure(records)
    assert figure is not None
    complete = [one for one in records if one.is_complete]
    best = min(complete, key=lambda one: (one.fitness or 0, one.number))
    others, tenth = figure.data
    numbers = [{one for one in trace.customdata if one is not None} for trace in (others, tenth)]
    assert len(numbers[1]) == round(0.1 * len(complete)) and best.number in numbers[1]
    assert numbers[0] | numbers[1] == {one.number for one in complete}
    assert all(value is None or 0 <= value <= 1 for trace in figure.data for value in trace.y)


def test_one_dimension_is_no_set_of_parallels_but_a_slice() -> None:
    records = [trial(0, 2.0, 0, 0, num_layers=1), trial(1, 2.1, 0, 0, num_layers=3)]
    assert parallel_figure(records) is None
    (name, figure), *_ = slice_figures(records).items()
    assert (name, list(figure.data[0].x), list(figure.data[0].y)) == ("num_layers", [1, 3], [2.0, 2.1])
