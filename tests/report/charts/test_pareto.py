from __future__ import annotations

import optuna
import plotly.graph_objects as go

from nas.report.charts.pareto import pareto_figure
from tests.helpers.report_studies import FRONT_OF_FIVE, ended, five, trial


def points(figure: go.Figure, name: str) -> set[tuple[float, float]]:
    traces = [trace for trace in figure.data if trace.name == name]
    assert len(traces) == 1, [trace.name for trace in figure.data]
    return {(round(x, 6), round(y, 6)) for x, y in zip(traces[0].x, traces[0].y, strict=True)}


def test_pareto_figure_marks_exactly_the_front_worked_out_by_hand() -> None:
    figure = pareto_figure([*five(), ended(5, "over_limit", "too large")])
    by_number = {0: (2.0, 0.1), 1: (1.85, 0.2), 2: (2.0, 0.3), 3: (2.35, 0.05), 4: (2.6, 0.4)}
    assert points(figure, "Pareto front") == {by_number[number] for number in FRONT_OF_FIVE}
    assert points(figure, "other trials") == {by_number[2], by_number[4]}
    assert points(figure, "reference origin") == {by_number[4]}
    assert points(figure, "best by fitness: trial 1") == {by_number[1]}


def test_pareto_axes_name_their_units_and_hover_names_the_trial() -> None:
    figure = pareto_figure(five())
    assert figure.layout.xaxis.title.text == "validation bits per byte"
    assert figure.layout.yaxis.title.text == "collapse rate (share of completions)"
    star = next(trace for trace in figure.data if trace.name.startswith("best"))
    for fact in (
        "<b>trial 1</b>",
        "L2 H128 V2048 swiglu",
        "1.850 bits per byte",
        "2.100 on novel",
        "fitness 2.050",
        "689k",
    ):
        assert fact in star.text[0]


def test_markup_in_a_reference_name_is_escaped() -> None:
    figure = pareto_figure([trial(0, 2.0, 0.1, 0.1, reference="<b>x</b>")])
    assert any(trace.name == "reference &lt;b&gt;x&lt;/b&gt;" for trace in figure.data)


def test_each_reference_has_its_own_symbol() -> None:
    records = [trial(number, 2 + number / 10, 0.1, 0.1, reference=name) for number, name in enumerate("abc")]
    traces = [trace for trace in pareto_figure(records).data if trace.name.startswith("reference")]
    assert len({trace.marker.symbol for trace in traces}) == 3


def test_optuna_keeps_the_verbosity_it_had() -> None:
    before = optuna.logging.get_verbosity()
    pareto_figure(five())
    assert optuna.logging.get_verbosity() == before
