"""A small architecture with its settings and tokens, shared by the tests of trials and training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nas.architecture.config import ArchitectureConfig
from nas.space.sections import EvaluationSection, TrainingSection
from nas.training.numerics import plan_numerics
from nas.training.recipe import Recipe
from nas.trial.run import TrialSettings

# float32 on every machine, so that a test has one outcome everywhere.
NUMERICS = plan_numerics("cpu", threads=1).model_copy(update={"dtype": "float32"})
SEQ_LENGTH = 64


def tiny(**changes: Any) -> ArchitectureConfig:
    values: dict[str, Any] = {
        "num_layers": 1,
        "hidden_dim": 32,
        "num_heads": 2,
        "ffn_multiplier": 2.0,
        "vocab_size": 256,
        "max_seq_length": SEQ_LENGTH,
    }
    return ArchitectureConfig(**values | changes)


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {"learning_rate": 0.01, "num_steps": 12, "batch_size": 4, "seq_length": 16, "seed": 5}
    return Recipe(**values | changes)


def trial_settings(num_steps: int = 25, seed: int = 0, num_rungs: int = 1, **evaluation: Any) -> TrialSettings:
    """Return settings with FLOPs for `num_steps` steps of 512 tokens of the tiny architecture at the top rung."""
    flops = num_steps * tiny().train_flops_per_token() * 512
    values: dict[str, Any] = {"validation_bytes": 4096, "num_prompts": 6, "completion_bytes": 40}
    return TrialSettings(
        training=TrainingSection(trial_flops=flops, num_rungs=num_rungs, max_seq_length=SEQ_LENGTH, batch_tokens=512),
        evaluation=EvaluationSection(**values | evaluation),
        prompt_bytes=SEQ_LENGTH - 40,
        numerics=NUMERICS,
        seed=seed,
    )


def random_tokens(count: int, vocab_size: int = 256, seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, vocab_size, count).astype(np.uint16)


def write_novel(folder: Path, marks: Sequence[bool]) -> None:
    """Write which bytes of the validation text of a data folder are in novel lines."""
    (folder / "novel").mkdir()
    (folder / "novel" / "validation.bin").write_bytes(bytes(marks))


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Return whether two models are equal to the last bit."""
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
