"""The table that shows where in each numeric range of a space the best architectures are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.document import markdown
from experiments.signal.study import SignalStudy
from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.forecast import spearman
from nas.space.dimension import NATURAL_MIN, Range, choices_of
from nas.space.search_space import Candidate, SearchSpace

BEST_SHARE = 4
"""One architecture in so many, the best ones, is listed in the table."""

DIMENSIONS: dict[str, Callable[[ArchitectureConfig], float]] = {
    "num_layers": lambda shape: shape.num_layers,
    "hidden_dim": lambda shape: shape.hidden_dim,
    "vocab_size": lambda shape: shape.vocab_size,
    "head_dim": lambda shape: shape.head_dim,
    "ffn_multiplier": lambda shape: shape.ffn_multiplier,
    "query_group_size": lambda shape: shape.num_heads // shape.num_kv_heads,
}


def range_table(study: SignalStudy) -> str:
    """Return for each numeric dimension its range, the value of the best, and those of the best quarter."""
    ranked = study.ranked()
    top = ranked[: len(ranked) // BEST_SHARE]
    rows = []
    for name in [*DIMENSIONS, "lr_multiplier"]:
        low, high = _range(study.space, name)
        values = [value_of(name, candidate) for candidate in top]
        with_bpb = spearman(
            np.array([value_of(name, candidate) for candidate in study.candidates]),
            study.scores(lambda result: result.val_bpb).mean(axis=1),
        )
        shown = ", ".join(f"{value:.3g}" if name == "lr_multiplier" else f"{value:g}" for value in values)
        rows.append((f"`{name}`", f"{low:g} to {high:g}", f"{values[0]:.4g}", shown, f"{with_bpb:+.2f}"))
    header = ("dimension", "range", "best", f"best {len(top)}, best first", "Spearman with bits per byte, all")
    return markdown(header, rows)


def edges_hit(space: SearchSpace, candidate: Candidate) -> list[str]:
    """Return the numeric dimensions in which a candidate is at an end of the range that could be moved.

    Not counted: one layer and one query per key/value head, which no range goes below, and dimensions of two choices,
    each of which is an end.
    """
    edges = []
    for name in [*DIMENSIONS, "lr_multiplier"]:
        low, high = _range(space, name)
        value = value_of(name, candidate)
        is_natural_min = low == NATURAL_MIN.get(name)
        if len(set(choices_of(getattr(space.search, name)))) < 3 and name != "lr_multiplier":
            continue
        if value >= high or (value <= low and not is_natural_min):
            edges.append(name)
    return edges


def value_of(name: str, candidate: Candidate) -> float:
    return candidate.lr_multiplier if name == "lr_multiplier" else float(DIMENSIONS[name](candidate.architecture))


def _range(space: SearchSpace, name: str) -> tuple[float, float]:
    dimension = getattr(space.search, name)
    if isinstance(dimension, Range):
        return dimension.min, dimension.last
    values = [float(value) for value in (dimension if isinstance(dimension, tuple) else (dimension,))]
    return min(values), max(values)
