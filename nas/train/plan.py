"""What a run is, before it begins: everything that decides its result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.architecture.config import ArchitectureConfig
from nas.model import Decoder
from nas.records.training import RUN_FILE
from nas.train.teacher import Distillation, Teacher
from nas.training.numerics import Numerics
from nas.training.recipe import Recipe
from nas.training.trainer import Trainer, memory_errors

_VERSION = 2
"""Of what a run's folder holds: another version does not go on with it."""
_EVALUATIONS = 20
_MIN_EVALUATIONS = 4
_VALIDATION_BYTES = (262_144, 131_072, 65_536, 32_768)
_VALIDATION_SHARE = 0.02
_SLOWNESS = {"float32": 1.0, "bfloat16": 4.0}
"""How many times as long a FLOP takes in evaluation, which is always fp32, as in training of each precision."""


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides the result of a run."""

    architecture: ArchitectureConfig
    recipe: Recipe
    numerics: Numerics
    corpus_hash: str
    evaluate_every: int
    """Steps between two evaluations; each one also writes a checkpoint."""
    validation_bytes: int
    distillation: Distillation | None = None

    @property
    def step_flops(self) -> float:
        """Of one step by formula, a teacher's included; those of evaluations are not."""
        per_token = self.architecture.train_flops_per_token(self.recipe.seq_length)
        per_token += self.distillation.flops_per_token if self.distillation else 0
        return float(per_token * self.recipe.batch_tokens)

    @property
    def train_flops(self) -> float:
        """Of the whole run."""
        return self.step_flops * self.recipe.num_steps

    @property
    def teacher_flops(self) -> float:
        """Those of `train_flops` that the teacher takes; its own training is not in them."""
        per_token = self.distillation.flops_per_token if self.distillation else 0
        return float(per_token * self.recipe.batch_tokens * self.recipe.num_steps)

    def new_training(self, tokens: NDArray[np.integer], teacher: Teacher | None) -> Trainer:
        """At step 0, on the stream `tokens`, (num_tokens,). OutOfMemory where there is no room for it."""
        with memory_errors():
            model = Decoder(self.architecture, seed=self.recipe.seed)
            return Trainer(model, tokens, self.recipe, self.numerics, teacher)

    def identity(self) -> dict[str, Any]:
        identity = {
            "version": _VERSION,
            "architecture": self.architecture.model_dump(mode="json"),
            "recipe": self.recipe.model_dump(mode="json"),
            "numerics": self.numerics.as_stored(),
            "corpus_hash": self.corpus_hash,
            "evaluate_every": self.evaluate_every,
            "validation_bytes": self.validation_bytes,
            "distillation": self.distillation.model_dump(mode="json") if self.distillation else None,
        }
        return dict(json.loads(json.dumps(identity)))


def run_numerics(planned: Numerics, folder: Path) -> Numerics:
    """`planned`, with precision and threads of the run in `folder` where there is one."""
    try:
        return planned.resumed_from(json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["numerics"])
    except (OSError, ValueError, KeyError, TypeError):
        return planned  # a damaged file is refused with its reason when the run is opened


def plan_evaluations(
    architecture: ArchitectureConfig, recipe: Recipe, numerics: Numerics, bytes_per_token: float, every: int | None
) -> tuple[int, int]:
    """Steps between two evaluations (`every` where it is given), and the bytes of validation text each one reads.

    By formula, so that a run planned again is the same: all evaluations together take about 2% of the FLOPs of
    training, weighed by how slow they are; with fewer than 20 of them, and on less text, where a run is short. A
    very short one keeps a few and takes longer for them.
    """
    per_byte = architecture.forward_flops_per_token() / bytes_per_token * _SLOWNESS[numerics.dtype]
    training = architecture.train_flops_per_token(recipe.seq_length) * recipe.batch_tokens * recipe.num_steps
    wanted = _EVALUATIONS if every is None else -(-recipe.num_steps // every)
    fitting = {size: int(_VALIDATION_SHARE * training / (per_byte * size)) for size in _VALIDATION_BYTES}
    size = next((size for size in _VALIDATION_BYTES if fitting[size] >= wanted), _VALIDATION_BYTES[-1])
    count = max(_MIN_EVALUATIONS, min(wanted, fitting[size]))
    return every or -(-recipe.num_steps // count), size
