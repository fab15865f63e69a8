"""How a model is trained: the learning-rate rule, the schedule, and everything else a rerun needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nas.architecture.config import ArchitectureConfig

RECIPE_VERSION = 3
LEARNING_RATE_TIMES_WIDTH = 0.3
DECAY_SHARE = 0.2
"""Share of the training steps, at the end, in which the learning rate falls to zero (Haegele et al. 2024)."""

Decay = Literal["sqrt", "linear", "cosine"]
DECAYS: dict[str, Callable[[float], float]] = {
    "sqrt": lambda progress: 1 - math.sqrt(progress),
    "linear": lambda progress: 1 - progress,
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
}
"""The learning rate between its peak (1) and its final value (0), by progress through the decay, 0 to 1.

sqrt: Haegele et al. 2024; cosine: Loshchilov and Hutter 2017.
"""


class Recipe(BaseModel):
    """AdamW with warm-up, a constant rate and a final decay. Frozen; part of every run's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(gt=0)
    """The peak learning rate."""
    final_learning_rate: float = Field(default=0.0, ge=0)
    """The learning rate at the end of the decay, just after the last step."""
    num_steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Sequences in a step."""
    accumulate: int = Field(default=1, ge=1)
    """Parts into which a step's sequences are split, one after the other, to save memory."""
    seq_length: int = Field(ge=1)
    """Tokens in a sequence."""
    warmup_steps: int = Field(default=0, ge=0)
    decay: Decay = "sqrt"
    decay_share: float = Field(default=DECAY_SHARE, ge=0, le=1)
    """Share of all steps in which the rate falls; warm-up and decay together are at most all steps."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Weight decay of matrices; gains and biases are never decayed."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.95, ge=0, lt=1)
    grad_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the whole gradient."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each target that is spread over all tokens (Szegedy et al. 2016), in the training loss alone."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the running mean of weights, which is evaluated in their place; 0 means no mean."""
    seed: int = 0
    """Decides initial weights, the order of the data and dropout."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warmup_steps > self.num_steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} is more than num_steps {self.num_steps}")
        if self.final_learning_rate > self.learning_rate:
            raise ValueError(f"final_learning_rate {self.final_learning_rate:g} is above {self.learning_rate:g}")
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} is not divisible by accumulate {self.accumulate}")
        return self

    @property
    def batch_tokens(self) -> int:
        return self.batch_size * self.seq_length

    @property
    def decay_steps(self) -> int:
        """Number of steps, at the end, in which the rate falls."""
        return min(round(self.decay_share * self.num_steps), self.num_steps - self.warmup_steps)

    @property
    def trunk_steps(self) -> int:
        """Number of steps before the decay."""
        return self.num_steps - self.decay_steps

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0."""
        rate = self.learning_rate * min(1.0, (step + 1) / (self.warmup_steps + 1))
        decayed = step + 1 - self.trunk_steps
        if decayed <= 0:
            return rate
        remaining = DECAYS[self.decay](decayed / (self.decay_steps + 1))
        return self.final_learning_rate + (rate - self.final_learning_rate) * remaining


def learning_rate_rule(architecture: ArchitectureConfig) -> float:
    """Return the peak learning rate: 0.3 / hidden_dim.

    AdamW's best rate of a hidden matrix falls as one over its width (Yang et al. 2022, muP, table 8). The
    constant is from the sweeps in experiments/learning_rate/README.md (widths 32 to 128), which give the loss of the
    rule. Depth, vocabulary and length of training are not in it: in a search, lr_multiplier adapts the rate to them.
    """
    return LEARNING_RATE_TIMES_WIDTH / architecture.hidden_dim


def warmup_rule(num_steps: int) -> int:
    """Return the warm-up steps: a tenth of all steps, at most 1,000."""
    return min(round(0.1 * num_steps), 1000)


def plan_recipe(
    architecture: ArchitectureConfig,
    *,
    num_steps: int,
    batch_tokens: int,
    seq_length: int,
    warmup_steps: int | None = None,
    lr_multiplier: float = 1.0,
    seed: int = 0,
) -> Recipe:
    """Return the recipe of a training of `num_steps` steps, with every rate and share by rule.

    Trainings that differ only in `num_steps`, with the same `warmup_steps`, are identical up to their decays.
    """
    return Recipe(
        learning_rate=lr_multiplier * learning_rate_rule(architecture),
        num_steps=num_steps,
        batch_size=max(1, batch_tokens // seq_length),
        seq_length=seq_length,
        warmup_steps=warmup_rule(num_steps) if warmup_steps is None else warmup_steps,
        seed=seed,
    )


def rung_cost(rung_flops: Sequence[float], rung: int) -> float:
    """Return the FLOPs that a rung adds to a trial: its own length, less the trunk shared with the rung below."""
    paid = (1 - DECAY_SHARE) * rung_flops[rung - 1] if rung else 0.0
    return rung_flops[rung] - paid
