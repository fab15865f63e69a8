"""Training of a trial up to the end of a rung, from the trunk that the rung below left or from the start."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.model import Decoder
from nas.records.trial import CurvePoint
from nas.training.numerics import Numerics
from nas.training.recipe import Recipe
from nas.training.trainer import Trainer
from nas.trial.trunk import restore_trunk, save_trunk

_CURVE_POINTS = 20


@dataclass(frozen=True)
class Trained:
    """A model trained to the end of its recipe."""

    model: Decoder
    curve: tuple[CurvePoint, ...]
    """The learning curve of the steps done here."""
    first_step: int
    """The steps before this one were done by the rung below."""
    flops_per_step: float
    bytes_per_step: float
    seconds: float


def train_model(
    architecture: ArchitectureConfig,
    vocabulary: str,
    data: PreparedData,
    recipe: Recipe,
    numerics: Numerics,
    *,
    rung: int = 0,
    trunk: Path | None = None,
    leaves_trunk: bool = False,
) -> Trained:
    """Train by `recipe`, from the trunk in the file `trunk` if it is the same training, else from the start.

    With `leaves_trunk` the trunk up to this rung's decay is saved there, for the rung above. Raises Diverged and
    OutOfMemory.
    """
    started = time.perf_counter()
    training = Trainer(Decoder(architecture, seed=recipe.seed), data.tokens(vocabulary, "train"), recipe, numerics)
    if trunk is not None and rung:
        restore_trunk(training, trunk)
    first_step, decay_start = training.step, recipe.trunk_steps
    flops_per_step = float(architecture.train_flops_per_token(recipe.seq_length) * recipe.batch_tokens)
    bytes_per_step = data.bytes_per_token(vocabulary) * recipe.batch_tokens
    ends = {round(point * recipe.num_steps / _CURVE_POINTS) for point in range(1, _CURVE_POINTS + 1)} | {decay_start}
    curve = []
    for end in sorted(end for end in ends if end > first_step):
        loss = training.advance(end - training.step)
        curve.append(
            CurvePoint(
                train_flops=flops_per_step * end,
                train_bytes=bytes_per_step * end,
                train_loss=loss,
                decay_of=rung if end > decay_start else None,
            )
        )
        if end == decay_start and leaves_trunk and trunk is not None:
            save_trunk(training, trunk)
    seconds = time.perf_counter() - started
    return Trained(training.model, tuple(curve), first_step, flops_per_step, bytes_per_step, seconds)
