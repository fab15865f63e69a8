"""The reference architectures, which people use without a search, scaled into the space: every study's first trials.

Each keeps the choices of its family and its two proportions, width over depth and vocabulary over width. Its size is
compute-optimal for the trial's FLOPs, so that a reference is a fair baseline and not a giant that sees ten batches.
"""

from __future__ import annotations

import math
from typing import Any

from nas.architecture.config import ArchitectureConfig
from nas.errors import ArchitectureError
from nas.space.dimension import Dimension, Range, Scalar, choices_of
from nas.space.search_space import Candidate, SearchSpace
from nas.space.sections import SearchSection, vocabulary_name

REFERENCES: dict[str, dict[str, Any]] = {
    "origin": {
        "num_layers": 4, "hidden_dim": 256, "vocab_size": 50_257, "head_dim": 32, "query_group_size": 1,
        "ffn_multiplier": 3.0, "activation": "gelu", "normalization": "rmsnorm", "position_encoding": "rope",
        "tie_embeddings": False, "qk_norm": False,
    },
    "gpt2": {
        "num_layers": 12, "hidden_dim": 768, "vocab_size": 50_257, "head_dim": 64, "query_group_size": 1,
        "ffn_multiplier": 4.0, "activation": "gelu", "normalization": "layernorm", "position_encoding": "learned",
        "tie_embeddings": True, "qk_norm": False,
    },
    "llama": {
        "num_layers": 32, "hidden_dim": 4096, "vocab_size": 32_000, "head_dim": 128, "query_group_size": 1,
        "ffn_multiplier": 2.6875, "activation": "swiglu", "normalization": "rmsnorm", "position_encoding": "rope",
        "tie_embeddings": False, "qk_norm": False,
    },
}  # fmt: skip
"""The origin's L4 H256, GPT-2 small (Radford et al. 2019), Llama 7B (Touvron et al. 2023)."""

_NEUTRAL: dict[str, Any] = {"dropout": 0.0, "lr_multiplier": 1.0}


def compute_optimal_params(train_flops: float) -> float:
    """Return the compute-optimal non-embedding parameters: e^-2.485 sqrt(F) (Tao et al. 2024, arXiv 2407.13623)."""
    return math.exp(-2.485) * math.sqrt(train_flops)


def scaled_references(space: SearchSpace, vocabulary_sizes: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Return the point of each reference by name, without the fixed dimensions.

    A reference without a legal point is left out, and so is one with the same architecture as an earlier reference.
    """
    points: dict[str, dict[str, Any]] = {}
    ids: set[str] = set()
    for name, published in REFERENCES.items():
        params = _scale(space, published, vocabulary_sizes)
        if params is None:
            continue
        architecture = _candidate(space, params, vocabulary_sizes).architecture
        if architecture.id not in ids:
            ids.add(architecture.id)
            points[name] = {key: params[key] for key in params if not isinstance(space.dimensions[key], Scalar)}
    return points


def _scale(space: SearchSpace, published: dict[str, Any], vocabulary_sizes: dict[str, int]) -> dict[str, Any] | None:
    """Return the legal point nearest to the compute-optimal size and the published proportions; None without one."""
    target = compute_optimal_params(space.training.trial_flops)
    aspect = published["hidden_dim"] / published["num_layers"]
    best: tuple[float, dict[str, Any]] | None = None
    for layers in choices_of(space.search.num_layers):
        for hidden in choices_of(space.search.hidden_dim):
            wanted = published | _NEUTRAL | {"num_layers": layers, "hidden_dim": hidden}
            wanted["vocab_size"] = published["vocab_size"] * hidden / published["hidden_dim"]
            params = {key: _nearest(key, getattr(space.search, key), wanted[key]) for key in SearchSection.model_fields}
            architecture = _legal(space, params, vocabulary_sizes)
            if architecture is None:
                continue
            distance = abs(math.log(architecture.non_embedding_params / target)) + abs(
                math.log(hidden / layers / aspect)
            )
            if best is None or distance < best[0]:
                best = (distance, params)
    return best[1] if best else None


def _legal(space: SearchSpace, params: dict[str, Any], vocabulary_sizes: dict[str, int]) -> ArchitectureConfig | None:
    try:
        architecture = _candidate(space, params, vocabulary_sizes).architecture
    except ArchitectureError:
        return None
    return architecture if space.is_legal(architecture) else None


def _nearest(name: str, dimension: Dimension, wanted: Any) -> Any:
    """Return the dimension's value nearest to `wanted` by ratio; for names without a distance, the first choice."""
    if isinstance(dimension, Range) and not dimension.is_integer and dimension.step is None:
        return min(max(wanted, dimension.min), dimension.max)
    values = choices_of(dimension)
    if wanted in values and not isinstance(wanted, float):
        return wanted
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if not numbers or isinstance(wanted, (str, bool)):
        return values[0]
    nearest = min(numbers, key=lambda number: abs(math.log((number + 1e-9) / (wanted + 1e-9))))
    whole = isinstance(dimension, Range) and dimension.is_integer
    return int(nearest) if whole or name == "vocab_size" else nearest


def _candidate(space: SearchSpace, params: dict[str, Any], vocabulary_sizes: dict[str, int]) -> Candidate:
    vocabulary_name(params["vocab_size"])
    return space.candidate(params, vocabulary_sizes)
