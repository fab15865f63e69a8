"""The page of an Optuna study that nas.search need not have made, with Optuna's own plots."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.importance import get_param_importances
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from optuna.visualization import plot_optimization_history, plot_pareto_front

from nas.errors import StudyError, UsageError
from nas.report.charts.importance import ENOUGH_FOR_IMPORTANCE, MIN_FOR_IMPORTANCE
from nas.report.parts.chart import Chart, chart
from nas.report.parts.document import page
from nas.report.parts.drawing import BLUE, GREY, styled
from nas.report.parts.tables import Cell, Row, Table
from nas.report.parts.words import MISSING
from nas.system.files import write_text

_MAX_CHARACTERS = 200
"""Characters of a parameter or a user attribute that are shown."""
_MAX_BEST = 3
"""Best trials that the header names; a study of several objectives can have many."""


@dataclass(frozen=True)
class Objective:
    """The history of an objective, and how much each parameter matters for it."""

    chart: Chart
    caption: str
    """How the importances were estimated, or why they could not be."""
    importances: Table | None


def load_foreign(storage: str, name: str | None) -> Study:
    """Load the study of that name, or the only one, without writing anything.

    UsageError if there is no such database or study, or several studies and no name; StudyError if Optuna cannot read
    the database.
    """
    file = Path(storage.removeprefix("sqlite:///").partition("?")[0])
    if storage.startswith("sqlite:///") and not file.is_file():
        raise UsageError(f"no database {file}")
    try:
        names = [summary.study_name for summary in optuna.get_all_study_summaries(storage)]
        if name is None and len(names) != 1:
            shown = ", ".join(names) or "none"
            raise UsageError(f"{len(names)} studies in {storage}; name one with --study: {shown}")
        if name is not None and name not in names:
            raise UsageError(f"no study '{name}' in {storage}; there are: {', '.join(names) or 'none'}")
        return optuna.load_study(study_name=name or names[0], storage=storage)
    except UsageError:
        raise
    except Exception as error:  # each database driver raises errors of its own
        raise StudyError(f"cannot read {storage}: {str(error).splitlines()[0]}") from None


def write_foreign(path: Path, study: Study) -> None:
    """Write the page of the study to `path`: whole or not at all."""
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    names = _objective_names(study)
    text = page(
        "foreign.html.jinja",
        f"{study.study_name}: Optuna study",
        has_figures=bool(complete),
        study_name=study.study_name,
        num_trials=len(trials),
        states=_states(trials),
        directions=", ".join(direction.name.lower() for direction in study.directions),
        has_results=bool(complete),
        best=[
            f"trial {trial.number}, {_values_text(trial)}; {_params_text(trial)}"
            for trial in study.best_trials[:_MAX_BEST]
        ],
        front=_front_chart(study, names) if complete and len(names) == 2 else None,
        objectives=[_objective(study, index, names, len(complete)) for index in range(len(names))] if complete else [],
        trials=_trials_table(trials, names) if trials else None,
    )
    write_text(path, text)


def _objective_names(study: Study) -> list[str]:
    """Return the names of the study's metrics, or numbered ones."""
    if study.metric_names:
        return list(study.metric_names)
    count = len(study.directions)
    return ["value"] if count == 1 else [f"value {index}" for index in range(count)]


def _states(trials: Sequence[FrozenTrial]) -> str:
    numbers = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    return ", ".join(f"{number} {state.name.lower()}" for state, number in numbers.items() if number)


def _front_chart(study: Study, names: Sequence[str]) -> Chart:
    figure = plot_pareto_front(study, target_names=list(names))
    others, best = figure.data[0], figure.data[-1]
    for trace, colour, name in ((others, GREY, "other trials"), (best, BLUE, "Pareto front")):
        trace.marker = {"color": colour, "size": 9, "line": {"width": 1, "color": "white"}}
        trace.update(name=name, showlegend=True)
    x_title, y_title = map(escape, names)
    return chart(styled(go.Figure([others, best]), x_title, y_title), "pareto", "Pareto front")


def _objective(study: Study, index: int, names: Sequence[str], num_complete: int) -> Objective:
    name, is_only = names[index], len(names) == 1
    figure = plot_optimization_history(study, target=None if is_only else _value(index), target_name=name)
    for trace, colour in zip(figure.data, (GREY, BLUE, GREY), strict=False):
        trace.update(marker_color=colour, line_color=colour)
    figure = styled(figure, "trial", escape(name), height=360)
    caption, importances = _importances(study, index, is_only, num_complete)
    return Objective(chart(figure, f"history-{index}", f"History of {name}"), caption, importances)


def _importances(study: Study, index: int, is_only: bool, num_complete: int) -> tuple[str, Table | None]:
    if num_complete < MIN_FOR_IMPORTANCE:
        return f"Importances need at least {MIN_FOR_IMPORTANCE} complete trials; there are {num_complete}.", None
    # PED-ANOVA treats the lowest targets as the best.
    sign = -1.0 if study.directions[index] == StudyDirection.MAXIMIZE else 1.0
    try:
        with warnings.catch_warnings(action="ignore"):  # PED-ANOVA warns about that for every target
            shares = get_param_importances(study, target=None if is_only else _value(index, sign))
    except (ValueError, RuntimeError) as error:
        return f"Optuna could not estimate importances: {error}.", None
    hint = " Few trials: take it as a hint, not as a finding." if num_complete < ENOUGH_FOR_IMPORTANCE else ""
    rows: list[Row] = [("", [Cell(name), Cell(f"{share:.3f}", share, "n")]) for name, share in shares.items()]
    table = Table(("parameter", "importance"), rows, numeric=("importance",), label="Importances")
    return f"What mattered (PED-ANOVA).{hint}", table


def _value(index: int, sign: float = 1.0) -> Callable[[FrozenTrial], float]:
    return lambda trial: sign * float(trial.values[index])


def _trials_table(trials: Sequence[FrozenTrial], names: Sequence[str]) -> Table:
    params = list(dict.fromkeys(name for trial in trials for name in trial.params))
    attributes = list(dict.fromkeys(name for trial in trials for name in trial.user_attrs))
    heads = ("trial", "state", *names, *params, *attributes)
    rows = [_trial_row(trial, len(names), params, attributes) for trial in trials]
    return Table.long(heads, rows, tuple(names), "All trials")


def _trial_row(trial: FrozenTrial, num_objectives: int, params: Sequence[str], attributes: Sequence[str]) -> Row:
    values = trial.values or [None] * num_objectives
    cells = [Cell(str(trial.number), trial.number, "n"), Cell(trial.state.name.lower())]
    cells += [Cell(MISSING if value is None else f"{value:.6g}", value, "n") for value in values]
    cells += [Cell(_shortened(trial.params.get(name, MISSING))) for name in params]
    cells += [Cell(_shortened(trial.user_attrs.get(name, MISSING)), kind="wrap") for name in attributes]
    return "" if trial.state == TrialState.COMPLETE else "aside", cells


def _values_text(trial: FrozenTrial) -> str:
    return ", ".join(f"{value:.6g}" for value in trial.values or ())


def _params_text(trial: FrozenTrial) -> str:
    return ", ".join(f"{name} {_shortened(value)}" for name, value in trial.params.items()) or "no parameters"


def _shortened(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"
