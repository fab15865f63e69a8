"""The grid of the search table: a full factorial of four dimensions inside `base.toml`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from nas.space.search_space import Candidate, SearchSpace, load_space
from nas.space.sections import SearchSection

GRID: dict[str, list[Any]] = {
    "vocab_size": [512, 1024, 2048, 4096, 8192, 16384],
    "hidden_dim": [32, 48, 64, 96],
    "num_layers": [1, 2, 3, 5],
    "position_encoding": ["rope", "alibi"],
}
_FIXED: dict[str, Any] = {
    "head_dim": 16,
    "ffn_multiplier": 3.0,
    "activation": "swiglu",
    "normalization": "rmsnorm",
    "qk_norm": True,
    "tie_embeddings": False,
}
"""Choices that the best trials of an earlier search had in common; the learning rate is the rule's."""


def grid_space(trial_flops: float | None = None) -> SearchSpace:
    """Return `base` with three rungs and all dimensions fixed but the four of the grid."""
    base = load_space("base")
    flops = trial_flops or base.training.trial_flops
    training = base.training.model_copy(update={"trial_flops": flops, "num_rungs": 3})
    return base.model_copy(update={"name": "table", "search": SearchSection(**GRID, **_FIXED), "training": training})


def grid_candidates(space: SearchSpace, vocabulary_sizes: Mapping[str, int]) -> list[Candidate]:
    """Return every candidate of the grid, in a fixed order."""
    combinations = itertools.product(*GRID.values())
    return [space.candidate(dict(zip(GRID, values, strict=True)), vocabulary_sizes) for values in combinations]
