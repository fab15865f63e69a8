from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from nas.report.study.foreign_study import write_foreign
from tests.report.study.test_page import Page, read

EVIL = "</script><img src=x onerror=alert(1)>"


def made(directions: list[str], count: int = 12) -> optuna.Study:
    study = optuna.create_study(directions=directions, study_name=EVIL)
    kinds = {"x": FloatDistribution(0, 1), EVIL: CategoricalDistribution(("a", EVIL))}
    for number in range(count):
        params = {"x": number / count, EVIL: EVIL if number % 2 else "a"}
        values = [number / count, 1 - number / count][: len(directions)]
        study.add_trial(
            optuna.create_trial(values=values, params=params, distributions=kinds, user_attrs={"note": EVIL})
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
def test_a_study_of_anyones_making_is_shown_with_what_it_has(
    tmp_path: Path, directions: list[str], charts: set[str]
) -> None:
    values = directions[:2] if len(directions) < 3 else directions
    study = made(directions) if len(values) < 3 else optuna.create_study(directions=directions)
    if len(directions) == 3:
        study.add_trial(optuna.create_trial(values=[1.0, 2.0, 3.0]))
    found = page(tmp_path, study)
    assert found.charts.keys() == charts
    assert found.requests == []


def test_words_of_others_are_text(tmp_path: Path) -> None:
    found = page(tmp_path, made(["minimize"]))
    assert found.headings[0] == EVIL
    assert found.words.count(EVIL) > 12
    assert found.row("0")[1:5] == ["complete", "0", "0", "a"]
    assert found.row("12")[1] == "pruned"


def test_a_study_without_trials_has_a_page(tmp_path: Path) -> None:
    assert "No trial has completed yet" in page(tmp_path, optuna.create_study()).words
