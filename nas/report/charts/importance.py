"""How much each dimension of the space decides, for each objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go
from optuna.importance import get_param_importances

from nas.records.study import TrialRecord, completed
from nas.report.charts.optuna_study import memory_study, varying
from nas.report.parts.drawing import BLUE, GREY, TEXT, styled
from nas.report.parts.scores import collapse_rate, fitness, val_bpb

MIN_FOR_IMPORTANCE, ENOUGH_FOR_IMPORTANCE = 10, 30
OBJECTIVES: Mapping[str, Callable[[TrialRecord], float]] = {
    "fitness": fitness,
    "bits per byte": val_bpb,
    "collapse rate": collapse_rate,
}
_LOOKS = {
    "fitness": {"color": BLUE},
    "bits per byte": {"color": GREY},
    "collapse rate": {"color": "rgba(0,0,0,0)", "line": {"color": TEXT, "width": 1.5}},
}
Importances = dict[str, dict[str, float]]
"""Objective -> dimension -> share."""


def importances(records: Sequence[TrialRecord]) -> tuple[Importances, str]:
    """The share of each dimension in reaching the best tenth (PED-ANOVA), and what to say of it.

    References are left out: they are not draws from the search space. Nothing, with the reason, where there are too
    few trials.
    """
    shown = sorted((one for one in completed(records) if not one.reference), key=lambda one: one.number)
    if len(shown) < MIN_FOR_IMPORTANCE:
        return {}, f"Needs at least {MIN_FOR_IMPORTANCE} complete trials of the search; there are {len(shown)}."
    names = varying(shown)
    if not names:
        return {}, "Every complete trial has the same architecture, so nothing can be compared."
    found = {}
    for objective, of in OBJECTIVES.items():
        if len({of(one) for one in shown}) == 1:
            continue
        try:
            found[objective] = get_param_importances(memory_study(shown, (of,)), params=names)
        except (ValueError, RuntimeError) as error:
            return {}, f"Optuna could not estimate importances: {error}."
    caption = f"Share of each dimension in reaching the best tenth (PED-ANOVA, {len(shown)} complete trials)."
    return found, caption


def is_hint(records: Sequence[TrialRecord]) -> bool:
    """Whether there are too few trials for more than a hint."""
    return sum(not one.reference for one in completed(records)) < ENOUGH_FOR_IMPORTANCE


def importance_figure(records: Sequence[TrialRecord]) -> tuple[go.Figure | None, str]:
    """Bars of each objective, the dimension that decides most about the first at the top; None with the reason."""
    found, caption = importances(records)
    if not found:
        return None, caption
    if is_hint(records):
        caption += f" Fewer than {ENOUGH_FOR_IMPORTANCE} trials: take the order as a hint, not as a finding."
    first = next(iter(found.values()))
    names = sorted(first, key=lambda name: -first[name])
    figure = go.Figure(
        [
            go.Bar(
                x=[shares[name] for name in names],
                y=names,
                orientation="h",
                name=objective,
                marker=_LOOKS[objective],
                hovertemplate=f"%{{y}}, {objective}: %{{x:.3f}}<extra></extra>",
            )
            for objective, shares in found.items()
        ]
    )
    figure = styled(figure, "importance", "", height=110 + 44 * len(names))
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(automargin=True, ticksuffix=" ", autorange="reversed")
    return figure, caption
