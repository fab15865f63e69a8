from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from nas.report.charts.importance import MIN_FOR_IMPORTANCE
from nas.report.study.foreign_study import write_foreign
from tests.report.study.test_page import Page, read

HOSTILE = "</script><img src=x onerror=alert(1)>"


def made(directions: list[str], count: int = 12) -> optuna.Study:
    """Return a study whose values follow `x` alone, and whose names are hostile; its last trial is pruned."""
    study = optuna.create_study(directions=directions, study_name=HOSTILE)
    kinds = {"x": FloatDistribution(0, 1), HOSTILE: CategoricalDistribution(("a", HOSTILE))}
    for number in range(count):
        params = {"x": number / count, HOSTILE: HOSTILE if number % 2 else "a"}
        values = [number / count, 1 - number / count, number / count][: len(directions)]
        study.add_trial(
            optuna.create_trial(values=values, params=params, distributions=kinds, user_attrs={"note": HOSTILE})
        )
    study.add_trial(optuna.create_trial(state=TrialState.PRUNED))
    return study


def page(tmp_path: Path, study: optuna.Study) -> Page:
    write_foreign(tmp_path / "page.html", study)
    return read(tmp_path / "page.html")


@pytest.mark.parametrize(
    ("directions", "charts"),
    [
        (["minimize"], {"history-0"}),
        (["minimize", "maximize"], {"pareto", "history-0", "history-1"}),
        (["minimize"] * 3, {"history-0", "history-1", "history-2"}),
    ],
)
def test_any_study_is_shown_with_the_charts_of_its_objectives(
    tmp_path: Path, directions: list[str], charts: set[str]
) -> None:
    shown = page(tmp_path, made(directions))
    assert shown.charts.keys() == charts
    assert shown.requests == []


@pytest.mark.parametrize("directions", [["minimize"], ["minimize", "maximize"]])
def test_the_parameter_that_decides_is_the_most_important(tmp_path: Path, directions: list[str]) -> None:
    shown = page(tmp_path, made(directions, count=40))
    heads = [index for index, row in enumerate(shown.rows) if row == ["parameter", "importance"]]
    assert [shown.rows[index + 1][0] for index in heads] == ["x"] * len(directions)


def test_too_few_trials_have_no_importances(tmp_path: Path) -> None:
    shown = page(tmp_path, made(["minimize"], count=MIN_FOR_IMPORTANCE - 1))
    assert ["parameter", "importance"] not in shown.rows
    assert f"at least {MIN_FOR_IMPORTANCE} complete trials" in shown.words


def test_names_and_values_of_a_study_are_text(tmp_path: Path) -> None:
    shown = page(tmp_path, made(["minimize"]))
    assert shown.headings[0] == HOSTILE
    assert shown.words.count(HOSTILE) > 12
    assert shown.row("0")[1:5] == ["complete", "0", "0", "a"]
    assert shown.row("12")[1] == "pruned"
    assert "<img" not in (tmp_path / "page.html").read_text(encoding="utf-8").split('<script type="text/plain"')[0]


def test_a_study_without_trials_has_a_page(tmp_path: Path) -> None:
    assert "No trial has completed yet" in page(tmp_path, optuna.create_study()).words
