"""Synthetic trials whose bits per byte follow a known scaling law, implemented here independently of nas."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.law import ScalingPoint, TrainingPoint

CORPUS_BYTES = 1e12
BYTES_PER_TOKEN = {512: 2.15, 2048: 3.19, 8192: 3.93}
BUDGETS = (4.4e11, 1.33e12, 4e12)


def true_bpb(training: TrainingPoint) -> float:
    """Return bits per byte by the known law.

    0.35 + 0.6 (H/64)^-0.4 (L/3)^-0.15 + 0.15 (V/4096)^-0.4 (H/64)^-0.3 (D/1e7)^-0.2
    + 0.4 (H/64)^0.35 (D/1e7)^-0.25.

    Times 0.95 with rope, times 1.06 without positions.
    """
    architecture = training.architecture
    width, depth = architecture.hidden_dim / 64, architecture.num_layers / 3
    vocabulary, data = architecture.vocab_size / 4096, training.train_bytes / 1e7
    law = (
        0.35
        + 0.6 * width**-0.4 * depth**-0.15
        + 0.15 * vocabulary**-0.4 * width**-0.3 * data**-0.2
        + 0.4 * width**0.35 * data**-0.25
    )
    return law * {"rope": 0.95, "none": 1.06}.get(architecture.position_encoding, 1.0)


def random_architectures(count: int, rng: np.random.Generator) -> list[ArchitectureConfig]:
    """Return different random architectures with sizes of the default space."""
    architectures: dict[str, ArchitectureConfig] = {}
    while len(architectures) < count:
        hidden = int(rng.integers(1, 9)) * 16
        architecture = ArchitectureConfig.parse(
            {
                "num_layers": int(rng.integers(1, 7)),
                "hidden_dim": hidden,
                "num_heads": hidden // int(rng.choice([8, 16])),
                "ffn_multiplier": float(rng.integers(1, 7)),
                "activation": str(rng.choice(["gelu", "swiglu", "relu2"])),
                "normalization": str(rng.choice(["rmsnorm", "layernorm"])),
                "position_encoding": str(rng.choice(["rope", "learned", "none"])),
                "vocab_size": int(rng.choice(list(BYTES_PER_TOKEN))),
                "max_seq_length": 256,
                "tie_embeddings": bool(rng.integers(2)),
            }
        )
        architectures[architecture.id] = architecture
    return list(architectures.values())


def train(architecture: ArchitectureConfig, train_flops: float) -> TrainingPoint:
    """Return the training of an architecture with a budget, at the best learning rate."""
    tokens = train_flops / architecture.train_flops_per_token()
    return TrainingPoint(architecture, 1.0, train_flops, tokens * BYTES_PER_TOKEN[architecture.vocab_size])


def evaluate(training: TrainingPoint, noise: float, rng: np.random.Generator) -> ScalingPoint:
    """Return the training with its bits per byte, to which log-normal noise is added."""
    val_bpb = true_bpb(training) * math.exp(noise * rng.standard_normal())
    values = (training.architecture, training.lr_multiplier, training.train_flops, training.train_bytes)
    return ScalingPoint(*values, val_bpb)


def search(count: int, seed: int, noise: float, budgets: Sequence[float] = BUDGETS) -> list[ScalingPoint]:
    """Return `count` trials at the lowest budget, and the best third of each budget at the next one."""
    rng = np.random.default_rng(seed)
    architectures = random_architectures(count, rng)
    points: list[ScalingPoint] = []
    for budget in budgets:
        evaluated = [evaluate(train(architecture, budget), noise, rng) for architecture in architectures]
        points += evaluated
        best = sorted(evaluated, key=lambda point: point.val_bpb)[: max(5, len(architectures) // 3)]
        architectures = [point.architecture for point in best]
    return points
