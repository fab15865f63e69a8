"""The plan of a run: everything that decides its result, known before it begins."""

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
"""Version of the files of a run; a run of another version cannot be resumed."""
_EVALUATIONS = 20
_MIN_EVALUATIONS = 4
_VALIDATION_BYTES = (262_144, 131_072, 65_536, 32_768)
_VALIDATION_SHARE = 0.02
_SLOWNESS = {"float32": 1.0, "bfloat16": 4.0}
"""The time of a FLOP in evaluation, which is always fp32, relative to training in each precision."""


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
        """FLOPs of one step by formula, with a teacher's and without those of evaluations."""
        per_token = self.architecture.train_flops_per_token(self.recipe.seq_length)
        per_token += self.distillation.flops_per_token if self.distillation else 0
        return float(per_token * self.recipe.batch_tokens)

    @property
    def train_flops(self) -> float:
        """FLOPs of the whole run."""
        return self.step_flops * self.recipe.num_steps

    @property
    def teacher_flops(self) -> float:
        """The part of `train_flops` that the teacher spends, without its own training."""
        per_token = self.distillation.flops_per_token if self.distillation else 0
        return float(per_token * self.recipe.batch_tokens * self.recipe.num_steps)

    def new_trainer(self, tokens: NDArray[np.integer], teacher: Teacher | None) -> Trainer:
        """Return a trainer at step 0 on the stream `tokens`, (num_tokens,); raise OutOfMemory if it does not fit."""
        with memory_errors():
            model = Decoder(self.architecture, seed=self.recipe.seed)
            return Trainer(model, tokens, self.recipe, self.numerics, teacher)

    def identity(self) -> dict[str, Any]:
        """Return the JSON data that must be equal for a run to be resumed."""
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
    """Return `planned` with the precision and threads of the run in `folder`, if there is one."""
    try:
        return planned.resumed_from(json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))["numerics"])
    except (OSError, ValueError, KeyError, TypeError):
        return planned  # a damaged file is refused, with the reason, when the run is opened


def plan_evaluations(
    architecture: ArchitectureConfig, recipe: Recipe, numerics: Numerics, bytes_per_token: float, every: int | None
) -> tuple[int, int]:
    """Return the steps between two evaluations (`every` if it is given) and the bytes of validation text they read.

    A formula decides, so that a run planned again is the same: all evaluations together take about 2% of the FLOPs of
    training, weighted by their slowness. A short run has fewer than 20 of them, on less text. A very short one keeps
    a few, which take more than 2%.
    """
    per_byte = architecture.forward_flops_per_token() / bytes_per_token * _SLOWNESS[numerics.dtype]
    training = architecture.train_flops_per_token(recipe.seq_length) * recipe.batch_tokens * recipe.num_steps
    requested = _EVALUATIONS if every is None else -(-recipe.num_steps // every)
    affordable = {size: int(_VALIDATION_SHARE * training / (per_byte * size)) for size in _VALIDATION_BYTES}
    size = next((size for size in _VALIDATION_BYTES if affordable[size] >= requested), _VALIDATION_BYTES[-1])
    count = max(_MIN_EVALUATIONS, min(requested, affordable[size]))
    return every or -(-recipe.num_steps // count), size
