"""Trials of a world in which a scaling law holds exactly, written down here once more and without our code."""

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
    """0.35 + 0.6 (H/64)^-0.4 (L/3)^-0.15 + 0.15 (V/4096)^-0.4 (H/64)^-0.3 (D/1e7)^-0.2
    + 0.4 (H/64)^0.35 (D/1e7)^-0.25.

    5% less with rope, 6% more without positions.
    """
    shape = training.architecture
    width, depth = shape.hidden_dim / 64, shape.num_layers / 3
    vocabulary, data = shape.vocab_size / 4096, training.train_bytes / 1e7
    law = (
        0.35
        + 0.6 * width**-0.4 * depth**-0.15
        + 0.15 * vocabulary**-0.4 * width**-0.3 * data**-0.2
        + 0.4 * width**0.35 * data**-0.25
    )
    return law * {"rope": 0.95, "none": 1.06}.get(shape.position_encoding, 1.0)


def drawn_architectures(count: int, rng: np.random.Generator) -> list[ArchitectureConfig]:
    """Shapes of the default space's sizes, drawn at random."""
    found: dict[str, ArchitectureConfig] = {}
    while len(found) < count:
        hidden = int(rng.integers(1, 9)) * 16
        shape = ArchitectureConfig.parse(
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
        found[shape.id] = shape
    return list(found.values())


def trained(architecture: ArchitectureConfig, train_flops: float) -> TrainingPoint:
    tokens = train_flops / architecture.train_flops_per_token()
    return TrainingPoint(architecture, 1.0, train_flops, tokens * BYTES_PER_TOKEN[architecture.vocab_size])


def judged(training: TrainingPoint, noise: float, rng: np.random.Generator) -> ScalingPoint:
    val_bpb = true_bpb(training) * math.exp(noise * rng.standard_normal())
    values = (training.architecture, training.lr_multiplier, training.train_flops, training.train_bytes)
    return ScalingPoint(*values, val_bpb)


def searched(count: int, seed: int, noise: float, budgets: Sequence[float] = BUDGETS) -> list[ScalingPoint]:
    """`count` trials at the lowest budget, the best third of each budget at the next one."""
    rng = np.random.default_rng(seed)
    shapes = drawn_architectures(count, rng)
    points: list[ScalingPoint] = []
    for budget in budgets:
        judgements = [judged(trained(shape, budget), noise, rng) for shape in shapes]
        points += judgements
        best = sorted(judgements, key=lambda one: one.val_bpb)[: max(5, len(shapes) // 3)]
        shapes = [one.architecture for one in best]
    return points
