"""How a model is trained: the learning-rate rule, the schedule, and everything else a rerun needs."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.architecture import ArchitectureConfig

RECIPE_VERSION = 3
LEARNING_RATE_TIMES_WIDTH = 0.3


class Recipe(BaseModel):
    """AdamW with warm-up, a constant rate and a final cooldown. Frozen; part of every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(gt=0)
    num_steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Sequences in a batch."""
    seq_length: int = Field(ge=1)
    """Tokens in a sequence."""
    warmup_steps: int = Field(default=0, ge=0)
    cooldown_share: float = Field(default=0.2, ge=0, le=1)
    """Share of all steps in which the rate falls by 1 - sqrt(progress) (Haegele et al. 2024)."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of matrices; gains and biases are never decayed."""
    beta1: float = 0.9
    beta2: float = 0.95
    grad_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the whole gradient."""
    seed: int = 0
    """Decides initial weights, the order of the data and dropout."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warmup_steps > self.num_steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} is more than num_steps {self.num_steps}")
        return self

    @property
    def batch_tokens(self) -> int:
        return self.batch_size * self.seq_length

    def learning_rate_at(self, step: int) -> float:
        """The rate of step `step`, counted from 0."""
        warm = min(1.0, (step + 1) / (self.warmup_steps + 1))
        cooldown_steps = round(self.cooldown_share * self.num_steps)
        into = step + 1 - (self.num_steps - cooldown_steps)
        cool = 1 - math.sqrt(into / (cooldown_steps + 1)) if into > 0 else 1.0
        return self.learning_rate * warm * cool


def learning_rate_rule(architecture: ArchitectureConfig) -> float:
    """The peak learning rate: 0.3 / hidden_dim.

    AdamW's best rate of a hidden matrix falls as one over its width (Yang et al. 2022, muP, table 8); the
    constant is from the sweeps of docs/learning-rate.md (widths 32 to 128), which say what the rule loses. Depth,
    vocabulary and length of training are not in the rule: in a search lr_multiplier is left to find what they ask for.
    """
    return LEARNING_RATE_TIMES_WIDTH / architecture.hidden_dim


def plan_recipe(
    architecture: ArchitectureConfig,
    *,
    num_steps: int,
    batch_tokens: int,
    seq_length: int,
    lr_multiplier: float = 1.0,
    seed: int = 0,
) -> Recipe:
    """The recipe of a training of `num_steps` steps: every rate and share by rule."""
    return Recipe(
        learning_rate=lr_multiplier * learning_rate_rule(architecture),
        num_steps=num_steps,
        batch_size=max(1, batch_tokens // seq_length),
        seq_length=seq_length,
        warmup_steps=min(round(0.1 * num_steps), 1000),
        seed=seed,
    )
