"""How much each dimension of the space matters for each objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from optuna.importance import get_param_importances

from nas.records.trial import TrialRecord, completed
from nas.report.charts.optuna_study import memory_study, varying
from nas.report.parts.drawing import BLUE, GREY, TEXT, styled
from nas.report.parts.scores import collapse_rate, fitness, val_bpb

MIN_FOR_IMPORTANCE, ENOUGH_FOR_IMPORTANCE = 10, 30
OBJECTIVES: Mapping[str, Callable[[TrialRecord], float]] = {
    "fitness": fitness,
    "bits per byte": val_bpb,
    "collapse rate": collapse_rate,
}
_BAR_STYLES = {
    "fitness": {"color": BLUE},
    "bits per byte": {"color": GREY},
    "collapse rate": {"color": "rgba(0,0,0,0)", "line": {"color": TEXT, "width": 1.5}},
}


@dataclass(frozen=True)
class Importances:
    """How much each dimension matters, estimated by Optuna's PED-ANOVA: its share in reaching the best tenth."""

    shares: Mapping[str, Mapping[str, float]]
    """Objective -> dimension -> share; empty if there is no estimate."""
    caption: str
    """How the shares were estimated, or why they could not be."""
    is_hint: bool = False
    """Whether there are too few trials for more than a hint."""


def importances(records: Sequence[TrialRecord]) -> Importances:
    """Estimate the importances from the COMPLETE trials without references, which do not sample the search space."""
    shown = sorted((record for record in completed(records) if not record.reference), key=lambda record: record.number)
    if len(shown) < MIN_FOR_IMPORTANCE:
        return Importances(
            {}, f"Needs at least {MIN_FOR_IMPORTANCE} complete trials of the search; there are {len(shown)}."
        )
    names = varying(shown)
    if not names:
        return Importances({}, "Every complete trial has the same architecture, so there is nothing to compare.")
    try:
        shares = {
            name: get_param_importances(memory_study(shown, (objective,)), params=names)
            for name, objective in OBJECTIVES.items()
            if len({objective(record) for record in shown}) > 1
        }
    except (ValueError, RuntimeError) as error:
        return Importances({}, f"Optuna could not estimate importances: {error}.")
    caption = f"Share of each dimension in reaching the best tenth (PED-ANOVA, {len(shown)} complete trials)."
    is_hint = len(shown) < ENOUGH_FOR_IMPORTANCE
    if is_hint:
        caption += f" Fewer than {ENOUGH_FOR_IMPORTANCE} trials: take the order as a hint, not as a finding."
    return Importances(shares, caption, is_hint)


def importance_figure(shares: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """Draw the bars of `Importances.shares`, the most important dimension for the first objective at the top."""
    first = next(iter(shares.values()))
    names = sorted(first, key=lambda name: -first[name])
    figure = go.Figure(
        [
            go.Bar(
                x=[by_dimension[name] for name in names],
                y=names,
                orientation="h",
                name=objective,
                marker=_BAR_STYLES[objective],
                hovertemplate=f"%{{y}}, {objective}: %{{x:.3f}}<extra></extra>",
            )
            for objective, by_dimension in shares.items()
        ]
    )
    figure = styled(figure, "importance", "", height=110 + 44 * len(names))
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_yaxes(automargin=True, ticksuffix=" ", autorange="reversed")
    return figure
