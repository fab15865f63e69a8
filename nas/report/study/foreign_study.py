"""A page of any Optuna study, of whoever's making: its values, parameters and attributes, with Optuna's own plots."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

import optuna
import plotly.graph_objects as go
from optuna.importance import get_param_importances
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import plot_optimization_history, plot_pareto_front

from nas.errors import StudyError, UsageError
from nas.report.charts.importance import ENOUGH_FOR_IMPORTANCE, MIN_FOR_IMPORTANCE
from nas.report.parts.document import document, embedded
from nas.report.parts.drawing import BLUE, GREY, styled
from nas.report.parts.markup import paragraph, section, table, text
from nas.report.parts.tables import Cell, Row
from nas.report.parts.words import MISSING
from nas.system.files import write_text

_MAX_ATTRIBUTE = 200
"""Characters of a user attribute that are shown."""


def load_foreign(storage: str, name: str | None) -> Study:
    """The study of that name, or the only one. Nothing is written.

    UsageError where there is no such database or name, or several and none is named; StudyError where Optuna cannot
    read it.
    """
    file = Path(storage.removeprefix("sqlite:///").partition("?")[0])
    if storage.startswith("sqlite:///") and not file.is_file():
        raise UsageError(f"no database {file}")
    try:
        names = [one.study_name for one in optuna.get_all_study_summaries(storage)]
        if name is None and len(names) != 1:
            shown = ", ".join(names) or "none"
            raise UsageError(f"{len(names)} studies in {storage}; name one with --study: {shown}")
        if name is not None and name not in names:
            raise UsageError(f"no study '{name}' in {storage}; there are: {', '.join(names) or 'none'}")
        return optuna.load_study(study_name=name or names[0], storage=storage)
    except UsageError:
        raise
    except Exception as error:  # whatever the driver of anyone's database raises
        raise StudyError(f"cannot read {storage}: {str(error).splitlines()[0]}") from None


def write_foreign(path: Path, study: Study) -> None:
    """Whole or not at all."""
    trials = study.get_trials(deepcopy=False)
    complete = [one for one in trials if one.state == TrialState.COMPLETE]
    sections = [_header(study, trials, complete), *_charts(study, complete), _all_trials(study, trials)]
    write_text(path, document(f"{study.study_name}: Optuna study", sections, has_figures=bool(complete)))


def _header(study: Study, trials: list[FrozenTrial], complete: list[FrozenTrial]) -> str:
    directions = ", ".join(one.name.lower() for one in study.directions)
    states = ", ".join(
        f"{number} {state.name.lower()}"
        for state in TrialState
        if (number := sum(one.state == state for one in trials))
    )  # fmt: skip
    best = "".join(
        paragraph(f"Best: trial {one.number}, {_values(one)}; {_params(one)}.", "lead") for one in study.best_trials[:3]
    )
    return (
        f'<header>\n<p class="kicker">A study of Optuna</p>\n<h1>{text(study.study_name)}</h1>\n'
        + paragraph(f"{len(trials)} trials: {states}. Objectives: {directions}." if trials else "No trial yet.", "soft")
        + (best if complete else paragraph("No trial has completed yet, so there is nothing to compare.", "lead"))
        + "\n</header>"
    )


def _charts(study: Study, complete: list[FrozenTrial]) -> list[str]:
    if not complete:
        return []
    names = _objectives(study)
    several = len(names) > 1
    parts = []
    if len(names) == 2:
        front = _plain(plot_pareto_front(study, target_names=names), complete)
        parts.append(
            section(
                "Pareto front", embedded(styled(front, escape(names[0]), escape(names[1])), "pareto", "Pareto front")
            )
        )
    for index, name in enumerate(names):
        figure = plot_optimization_history(study, target=_value(index) if several else None, target_name=name)
        _recolour(figure)
        label = f"History of {name}"
        chart = embedded(styled(figure, "trial", escape(name), height=360), f"history-{index}", label)
        parts.append(section(label, chart, _importance(study, index, several, len(complete))))
    return parts


def _value(index: int, sign: float = 1.0) -> Callable[[FrozenTrial], float]:
    return lambda one: sign * float(one.values[index])


def _importance(study: Study, index: int, several: bool, count: int) -> str:
    if count < MIN_FOR_IMPORTANCE:
        return paragraph(f"Importances need at least {MIN_FOR_IMPORTANCE} complete trials; there are {count}.", "soft")
    try:
        # PED-ANOVA takes low targets for good.
        sign = -1.0 if study.directions[index] == StudyDirection.MAXIMIZE else 1.0
        with warnings.catch_warnings(action="ignore"):  # it says so of every target, of ours too
            shares = get_param_importances(study, target=_value(index, sign) if several else None)
    except (ValueError, RuntimeError) as error:
        return paragraph(f"Optuna could not estimate importances: {error}.", "soft")
    hint = " Few trials: a hint, not a finding." if count < ENOUGH_FOR_IMPORTANCE else ""
    rows: list[Row] = [("", [Cell(name), Cell(f"{share:.3f}", share, "n")]) for name, share in shares.items()]
    return paragraph(f"What mattered (PED-ANOVA).{hint}", "soft") + "\n" + table(
        ("parameter", "importance"), rows, numeric=("importance",), label="Importances"
    )  # fmt: skip


def _all_trials(study: Study, trials: list[FrozenTrial]) -> str:
    if not trials:
        return ""
    params = list(dict.fromkeys(name for one in trials for name in one.params))
    attributes = list(dict.fromkeys(name for one in trials for name in one.user_attrs))
    names = _objectives(study)
    rows = [_row(one, len(names), params, attributes) for one in trials]
    heads = ("trial", "state", *names, *params, *attributes)
    return section(
        "All trials", table(heads, rows, numeric=names, sortable=True, label="All trials", tall=len(rows) > 20)
    )


def _row(trial: FrozenTrial, num_objectives: int, params: Iterable[str], attributes: Iterable[str]) -> Row:
    values = trial.values or [None] * num_objectives
    cells = [Cell(str(trial.number), trial.number, "n"), Cell(trial.state.name.lower())]
    cells += [Cell(MISSING if one is None else f"{one:.6g}", one, "n") for one in values]
    cells += [Cell(_short(trial.params.get(name, MISSING))) for name in params]
    cells += [Cell(_short(trial.user_attrs.get(name, MISSING)), kind="wrap") for name in attributes]
    return "" if trial.state == TrialState.COMPLETE else "aside", cells


def _objectives(study: Study) -> list[str]:
    """As the study names its metrics, else by number."""
    named = study.metric_names
    if named:
        return list(named)
    count = len(study.directions)
    return ["value"] if count == 1 else [f"value {place}" for place in range(count)]


def _plain(figure: go.Figure, complete: list[FrozenTrial]) -> go.Figure:
    others, best = figure.data[0], figure.data[-1]
    for trace, colour, name in ((others, GREY, "other trials"), (best, BLUE, "Pareto front")):
        trace.marker = {"color": colour, "size": 9, "line": {"width": 1, "color": "white"}}
        trace.update(name=name, showlegend=True)
    return go.Figure([others, best])


def _recolour(figure: go.Figure) -> None:
    for trace, colour in zip(figure.data, (GREY, BLUE, GREY), strict=False):
        trace.update(marker_color=colour, line_color=colour)


def _values(trial: FrozenTrial) -> str:
    return ", ".join(f"{one:.6g}" for one in trial.values or ())


def _params(trial: FrozenTrial) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in trial.params.items()) or "no parameters"


def _short(value: object) -> str:
    shown = f"{value:.6g}" if isinstance(value, float) else str(value)
    return shown if len(shown) <= _MAX_ATTRIBUTE else shown[:_MAX_ATTRIBUTE] + "…"
