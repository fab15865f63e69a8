from __future__ import annotations

import shutil
from pathlib import Path

import optuna
import plotly.graph_objects as go
import pytest

from nas.errors import CodenasError
from nas.reporting.drawing import write_png
from nas.reporting.figures import (
    MIN_FOR_IMPORTANCE,
    history_figure,
    importance_figure,
    pareto_figure,
    vocabulary_figure,
)

from .studies import FRONT_OF_FIVE, ended, five, many, trial


def points(figure: go.Figure, name: str) -> set[tuple[float, float]]:
    found = [trace for trace in figure.data if trace.name == name]
    assert len(found) == 1, [trace.name for trace in figure.data]
    return {(round(x, 6), round(y, 6)) for x, y in zip(found[0].x, found[0].y, strict=True)}


def test_pareto_figure_marks_exactly_the_front_worked_out_by_hand() -> None:
    figure = pareto_figure([*five(), ended(5, "PRUNED", "too large")])
    by_number = {0: (2.0, 0.1), 1: (1.85, 0.2), 2: (2.0, 0.3), 3: (2.35, 0.05), 4: (2.6, 0.4)}
    assert points(figure, "Pareto front") == {by_number[number] for number in FRONT_OF_FIVE}
    assert points(figure, "other trials") == {by_number[2], by_number[4]}
    assert points(figure, "reference seed") == {by_number[4]}
    assert points(figure, "best by fitness: trial 1") == {by_number[1]}


def test_pareto_axes_name_their_units_and_hover_tells_the_trial() -> None:
    figure = pareto_figure(five())
    assert figure.layout.xaxis.title.text == "validation bits per byte"
    assert figure.layout.yaxis.title.text == "collapse rate (share of completions)"
    star = next(trace for trace in figure.data if trace.name.startswith("best"))
    assert star.text[0] == (
        "<b>trial 1</b><br>L2 H128 V2048 swiglu x3 rmsnorm rope 2 heads tied<br>"
        "1.850 bits per byte, 2.100 on novel lines<br>collapse 0.200, fitness 2.050, 689k parameters"
    )


def test_markup_in_a_reference_name_is_escaped() -> None:
    figure = pareto_figure([trial(0, 2.0, 0.1, 0.1, reference="<b>x</b>")])
    assert any(trace.name == "reference &lt;b&gt;x&lt;/b&gt;" for trace in figure.data)


def test_each_reference_has_its_own_symbol() -> None:
    records = [trial(number, 2 + number / 10, 0.1, 0.1, reference=name) for number, name in enumerate("abc")]
    traces = [trace for trace in pareto_figure(records).data if trace.name.startswith("reference")]
    assert len({trace.marker.symbol for trace in traces}) == 3


def test_history_follows_the_trial_numbers_across_gaps() -> None:
    records = [trial(3, 2.5, 0, 0), trial(7, 2.6, 0, 0), ended(8, "FAIL", "broken"), trial(9, 2.4, 0, 0)]
    figure = history_figure(records)
    assert points(figure, "trials") == {(3, 2.5), (7, 2.6), (9, 2.4)}
    assert points(figure, "best so far") == {(3, 2.5), (7, 2.5), (9, 2.4)}


def test_importances_need_trials_of_the_search() -> None:
    few = [one for one in many(MIN_FOR_IMPORTANCE) if not one.reference][: MIN_FOR_IMPORTANCE - 1]
    figure, reason = importance_figure([*few, trial(90, 2.0, 0, 0, reference="seed")])
    assert figure is None
    assert reason.startswith(f"Needs at least {MIN_FOR_IMPORTANCE} complete trials")


def test_importances_say_when_nothing_varies() -> None:
    figure, reason = importance_figure([trial(number, 2 + number / 100, 0, 0) for number in range(12)])
    assert figure is None
    assert "same architecture" in reason


def test_importances_find_the_dimension_that_decides() -> None:
    records = [
        trial(number, (1.5 if number % 4 == 0 else 3.0) + number / 1000, 0, 0, 64 if number % 4 == 0 else 128)
        for number in range(40)
    ]
    figure, caption = importance_figure(
        [one.model_copy(update={"lr_multiplier": 1 + i % 3}) for i, one in enumerate(records)]
    )
    assert figure is not None
    shares = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["hidden_dim"] > shares["lr_multiplier"]
    assert "num_layers" not in shares, "a dimension with one value decides nothing"
    assert "hint" not in caption


def test_importances_of_few_trials_carry_a_warning() -> None:
    _, caption = importance_figure(many(20))
    assert "take the order as a hint" in caption


def test_vocabulary_figure_shows_the_best_fitness_of_each_cell() -> None:
    better, worse = trial(0, 2.0, 0, 0, 64, 512), trial(1, 2.2, 0, 0, 64, 512)
    figure = vocabulary_figure([worse, better, trial(2, 2.5, 0, 0, 96, 1024), trial(3, 9.0, 0, 0, reference="seed")])
    heatmap = figure.data[0]
    assert list(heatmap.x) == ["512", "1,024"]
    assert list(heatmap.y) == ["64", "96"]
    assert [list(row) for row in heatmap.z] == [[2.0, None], [None, 2.5]]


def test_optuna_keeps_the_verbosity_it_had() -> None:
    before = optuna.logging.get_verbosity()
    pareto_figure(five())
    assert optuna.logging.get_verbosity() == before


def test_png_without_a_browser_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido")
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    with pytest.raises(CodenasError, match="needs a Chrome or Chromium"):
        write_png(pareto_figure(five()), tmp_path / "front.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="no Chrome here")
def test_png_is_written(tmp_path: Path) -> None:
    pytest.importorskip("kaleido")
    write_png(pareto_figure(five()), tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
