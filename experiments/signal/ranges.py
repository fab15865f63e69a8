"""Where in each numeric range of a space the best architectures lie."""

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
"""The best quarter of the architectures is what the table of ranges looks at."""

DIMENSIONS: dict[str, Callable[[ArchitectureConfig], float]] = {
    "num_layers": lambda one: one.num_layers,
    "hidden_dim": lambda one: one.hidden_dim,
    "vocab_size": lambda one: one.vocab_size,
    "head_dim": lambda one: one.head_dim,
    "ffn_multiplier": lambda one: one.ffn_multiplier,
    "query_group_size": lambda one: one.num_heads // one.num_kv_heads,
}


def range_table(study: SignalStudy) -> str:
    """For each numeric dimension: its range, where the best is, and where the best quarter is."""
    ranked = study.ranked()
    top = ranked[: len(ranked) // BEST_SHARE]
    rows = []
    for name in [*DIMENSIONS, "lr_multiplier"]:
        low, high = _range(study.space, name)
        values = [value_of(name, one) for one in top]
        with_bpb = spearman(
            np.array([value_of(name, one) for one in study.candidates]),
            study.scores(lambda one: one.val_bpb).mean(axis=1),
        )
        shown = ", ".join(f"{value:.3g}" if name == "lr_multiplier" else f"{value:g}" for value in values)
        rows.append((f"`{name}`", f"{low:g} to {high:g}", f"{values[0]:.4g}", shown, f"{with_bpb:+.2f}"))
    header = ("dimension", "range", "best", f"best {len(top)}, best first", "Spearman with bits per byte, all")
    return markdown(header, rows)


def edges_hit(space: SearchSpace, candidate: Candidate) -> list[str]:
    """The numeric dimensions in which a candidate stands at an end that could be moved.

    One layer and one query a key/value head are ends of nature, and of two choices each is an end.
    """
    found = []
    for name in [*DIMENSIONS, "lr_multiplier"]:
        low, high = _range(space, name)
        value = value_of(name, candidate)
        is_natural = low == NATURAL_MIN.get(name)
        if len(set(choices_of(getattr(space.search, name)))) < 3 and name != "lr_multiplier":
            continue
        if value >= high or (value <= low and not is_natural):
            found.append(name)
    return found


def value_of(name: str, candidate: Candidate) -> float:
    return candidate.lr_multiplier if name == "lr_multiplier" else float(DIMENSIONS[name](candidate.architecture))


def _range(space: SearchSpace, name: str) -> tuple[float, float]:
    dimension = getattr(space.search, name)
    if isinstance(dimension, Range):
        return dimension.min, dimension.last
    values = [float(one) for one in (dimension if isinstance(dimension, tuple) else (dimension,))]
    return min(values), max(values)
