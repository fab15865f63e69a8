"""The recipe of a full training: the arch JSON's or the seed's, and what the user's flags change in it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from nas.architecture.config import ArchitectureConfig
from nas.errors import UsageError, validation_message
from nas.train.arch_json import positive
from nas.training.recipe import Recipe, plan_recipe

SEARCH, ORIGIN = "search", "origin"
RECIPES = (SEARCH, ORIGIN)
_BATCH_TOKENS = 4096
_STORED = {"rule", "lr_multiplier", "batch_tokens", "seq_length"}
"""What a search writes into an arch JSON's recipe."""
_ORIGIN_RECIPE: dict[str, Any] = {
    "learning_rate": 3e-4,
    "final_learning_rate": 1e-5,
    "decay": "cosine",
    "decay_share": 1.0,
    "grad_clip": 1.0,
    # Where the origin's account is silent it had PyTorch's defaults.
    "weight_decay": 0.01,
    "beta1": 0.9,
    "beta2": 0.999,
}
_ORIGIN_STEPS, _ORIGIN_WARMUP, _ORIGIN_BATCH_TOKENS, _ORIGIN_LENGTH = 50_000, 2_000, 32 * 256, 256


def full_recipe(
    architecture: ArchitectureConfig,
    name: str,
    stored: Mapping[str, Any],
    wanted: Mapping[str, Any],
    teacher_flops_per_token: int = 0,
) -> Recipe:
    """`name` is `search`, the rule of a trial with what `stored`, the arch JSON's recipe, says; or `seed`.

    `wanted` holds what the user asks for: fields of Recipe, `max_steps` or `flops`, which pay for a teacher too,
    `batch_tokens`. UsageError for what does not fit together.
    """
    for key in set(stored) - _STORED:
        warnings.warn(f"'{key}' in the arch JSON's recipe is ignored; there are flags for it", stacklevel=2)
    seq_length = _seq_length(architecture, name, stored, wanted.get("seq_length"))
    default = (
        _ORIGIN_BATCH_TOKENS if name == ORIGIN else positive(stored, "batch_tokens", max(_BATCH_TOKENS, seq_length))
    )
    batch_tokens: int = wanted.get("batch_tokens") or default
    if batch_tokens % seq_length:
        raise UsageError(
            f"a step of {batch_tokens} tokens is no multiple of the sequence length {seq_length}; give --batch-tokens"
        )
    step_flops = (architecture.train_flops_per_token(seq_length) + teacher_flops_per_token) * batch_tokens
    num_steps = _num_steps(name, step_flops, wanted)
    recipe = plan_recipe(
        architecture,
        num_steps=num_steps,
        batch_tokens=batch_tokens,
        seq_length=seq_length,
        lr_multiplier=positive(stored, "lr_multiplier", 1.0),
    )
    changes: dict[str, Any] = {}
    if name == ORIGIN:
        # 2,000 of 50,000 in the seed: a shorter run keeps it to a tenth.
        changes = _ORIGIN_RECIPE | {"warmup_steps": min(_ORIGIN_WARMUP, num_steps // 10)}
    changes |= {key: wanted[key] for key in Recipe.model_fields if wanted.get(key) is not None}
    try:
        return Recipe.model_validate(recipe.model_dump() | changes)
    except ValidationError as error:
        raise UsageError(validation_message(error, "recipe")) from None


def _seq_length(architecture: ArchitectureConfig, name: str, stored: Mapping[str, Any], wanted: int | None) -> int:
    longest = architecture.max_seq_length
    if wanted is not None and wanted > longest:
        raise UsageError(f"--seq-length {wanted} is more than the architecture's max_seq_length of {longest}")
    if wanted is not None:
        return wanted
    if name == SEARCH:
        return min(positive(stored, "seq_length", longest), longest)
    if longest < _ORIGIN_LENGTH:
        warnings.warn(f"sequences of {longest} tokens, the architecture's most, not of the origin's 256", stacklevel=2)
    return min(_ORIGIN_LENGTH, longest)


def _num_steps(name: str, step_flops: int, wanted: Mapping[str, Any]) -> int:
    if wanted.get("max_steps"):
        steps: int = wanted["max_steps"]
        return steps
    if wanted.get("flops"):
        num_steps = int(wanted["flops"] // step_flops)
        if num_steps < 1:
            raise UsageError(f"--flops {wanted['flops']:g} is less than one step of {step_flops:.3g} FLOPs")
        return num_steps
    if name == ORIGIN:
        return _ORIGIN_STEPS
    raise UsageError("how long? give --max-steps N or --flops N (or --recipe origin, which is 50,000 steps)")
