"""The recipe of a full training: that of a search or of the origin, changed by the user's flags."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from nas.architecture.config import ArchitectureConfig
from nas.errors import UsageError, validation_message
from nas.training.recipe import Recipe, plan_recipe

_Number = TypeVar("_Number", int, float)

SEARCH, ORIGIN = "search", "origin"
_BATCH_TOKENS = 4096
_STORED = {"rule", "lr_multiplier", "batch_tokens", "seq_length"}
"""Keys that a search writes into the recipe of an arch JSON."""
_ORIGIN_RECIPE: dict[str, Any] = {
    "learning_rate": 3e-4,
    "final_learning_rate": 1e-5,
    "decay": "cosine",
    "decay_share": 1.0,
    "grad_clip": 1.0,
    # The origin does not give these: PyTorch's defaults.
    "weight_decay": 0.01,
    "beta1": 0.9,
    "beta2": 0.999,
}
_ORIGIN_STEPS, _ORIGIN_WARMUP, _ORIGIN_BATCH_TOKENS, _ORIGIN_LENGTH = 50_000, 2_000, 32 * 256, 256


def full_recipe(
    architecture: ArchitectureConfig,
    name: str,
    stored: Mapping[str, Any],
    requested: Mapping[str, Any],
    teacher_flops_per_token: int = 0,
) -> Recipe:
    """Return the recipe called `name`: `search`, the rule of a trial with the arch JSON's recipe `stored`, or `origin`.

    `requested` has the user's values: fields of Recipe, `batch_tokens`, and `max_steps` or `flops`, which include
    those of a teacher. Raise UsageError for values that do not fit together.
    """
    for key in set(stored) - _STORED:
        warnings.warn(f"'{key}' in the arch JSON's recipe is ignored; use the flag for it", stacklevel=2)
    seq_length = _seq_length(architecture, name, stored, requested.get("seq_length"))
    default = (
        _ORIGIN_BATCH_TOKENS if name == ORIGIN else _positive(stored, "batch_tokens", max(_BATCH_TOKENS, seq_length))
    )
    batch_tokens: int = requested.get("batch_tokens") or default
    if batch_tokens % seq_length:
        raise UsageError(
            f"a step of {batch_tokens} tokens is not a multiple of seq_length {seq_length}; give --batch-tokens"
        )
    step_flops = (architecture.train_flops_per_token(seq_length) + teacher_flops_per_token) * batch_tokens
    num_steps = _num_steps(name, step_flops, requested)
    recipe = plan_recipe(
        architecture,
        num_steps=num_steps,
        batch_tokens=batch_tokens,
        seq_length=seq_length,
        lr_multiplier=_positive(stored, "lr_multiplier", 1.0),
    )
    changes: dict[str, Any] = {}
    if name == ORIGIN:
        # 2,000 of 50,000 steps in the origin: at most a tenth in a shorter run.
        changes = _ORIGIN_RECIPE | {"warmup_steps": min(_ORIGIN_WARMUP, num_steps // 10)}
    changes |= {key: requested[key] for key in Recipe.model_fields if requested.get(key) is not None}
    try:
        return Recipe.model_validate(recipe.model_dump() | changes)
    except ValidationError as error:
        raise UsageError(validation_message(error, "recipe")) from None


def _seq_length(architecture: ArchitectureConfig, name: str, stored: Mapping[str, Any], requested: int | None) -> int:
    max_length = architecture.max_seq_length
    if requested is not None and requested > max_length:
        raise UsageError(f"--seq-length {requested} is more than the architecture's max_seq_length of {max_length}")
    if requested is not None:
        return requested
    if name == SEARCH:
        return min(_positive(stored, "seq_length", max_length), max_length)
    if max_length < _ORIGIN_LENGTH:
        warnings.warn(
            f"sequences of {max_length} tokens, the architecture's maximum, not of the origin's {_ORIGIN_LENGTH}",
            stacklevel=2,
        )
    return min(_ORIGIN_LENGTH, max_length)


def _num_steps(name: str, step_flops: int, requested: Mapping[str, Any]) -> int:
    if requested.get("max_steps"):
        steps: int = requested["max_steps"]
        return steps
    if requested.get("flops"):
        num_steps = int(requested["flops"] // step_flops)
        if num_steps < 1:
            raise UsageError(f"--flops {requested['flops']:g} is less than one step of {step_flops:.3g} FLOPs")
        return num_steps
    if name == ORIGIN:
        return _ORIGIN_STEPS
    raise UsageError("no length of training: give --max-steps N or --flops N (--recipe origin has 50,000 steps)")


def _positive(stored: Mapping[str, Any], name: str, default: _Number) -> _Number:
    """Return a number above 0 of the arch JSON's recipe, of the default's type."""
    value = stored.get(name, default)
    kinds = (int, float) if isinstance(default, float) else int
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        raise UsageError(f"the arch JSON's recipe has {name} {value!r}; it must be a number above 0")
    return type(default)(value)
