from __future__ import annotations

from nas.report.charts.parallel import parallel_figure
from nas.report.charts.slices import slice_figures
from tests.helpers.report_studies import many, trial


def test_the_best_tenth_is_in_colour() -> None:
    records = [record for record in many(40) if not record.reference]
    figure = parallel_figure(records)
    assert figure is not None
    complete = [record for record in records if record.is_complete]
    best = min(complete, key=lambda record: (record.fitness or 0, record.number))
    others, tenth = figure.data
    numbers = [{number for number in trace.customdata if number is not None} for trace in (others, tenth)]
    assert len(numbers[1]) == round(0.1 * len(complete)) and best.number in numbers[1]
    assert numbers[0] | numbers[1] == {record.number for record in complete}
    assert all(value is None or 0 <= value <= 1 for trace in figure.data for value in trace.y)


def test_a_single_dimension_has_a_slice_but_no_parallel_coordinates() -> None:
    records = [trial(0, 2.0, 0, 0, num_layers=1), trial(1, 2.1, 0, 0, num_layers=3)]
    assert parallel_figure(records) is None
    (name, figure), *_ = slice_figures(records).items()
    assert (name, list(figure.data[0].x), list(figure.data[0].y)) == ("num_layers", [1, 3], [2.0, 2.1])
