"""A scaling law of bits per byte: what an architecture is worth after any amount of training.

    bpb = (E + A / (H^alpha L^kappa) + B / (V^beta H^eta D^epsilon) + C H^delta / D^gamma)
          x exp(sum of the effects of other choices)

H width, L layers, V tokens of vocabulary, D bytes read. E, size and data as in Hoffmann et al. 2022 (arXiv
2203.15556); bytes in place of tokens, so that vocabularies compare. What is ours: width and depth count apart, as small
models gain more from width than its share in the parameters says; a wider model needs more text to come as near to
its best; and what a larger vocabulary knows before it has learnt anything counts for less the wider the model is and
the more it has read. With B / (V H)^beta, after Tao et al. 2024 (arXiv 2407.13623), it would count for as much
for ever, and laws of forty trials ranked the trainings of ten times their FLOPs hardly at all (experiments/prediction/README.md).
Here n trainings, F features of each, P parameters of the law.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.architecture.config import CHOICES, ArchitectureConfig

Array = NDArray[np.float64]

SIZES = ("log_H", "log_L", "log_V", "log_D")
EFFECTS = (
    *(f"{key}={name}" for key, names in CHOICES.items() for name in names),
    *("tie_embeddings", "qk_norm", "query_group", "head_dim", "ffn_share", "dropout", "lr", "lr_squared"),
)
"""Choices beside size that move log bpb, each by an effect that is the same at every size and budget."""
FEATURES = (*SIZES, *EFFECTS)
TERMS = ("log_E", "log_A", "alpha", "kappa", "log_B", "beta", "eta", "epsilon", "log_C", "gamma", "delta")
PARAMETERS = (*TERMS, *EFFECTS)
"""A, B and C are bits per byte at the centre that the sizes are counted from."""
REFERENCE = {"log_H": math.log(64), "log_L": math.log(3), "log_V": math.log(4096), "log_D": math.log(1e7)}
"""The same for every study, amid the trials of `base`: what one has shown can be believed of another there."""
REPEATS_DECAY = 15.387756
"""R*_D of Muennighoff et al. 2023 (arXiv 2305.16264, appendix A)."""


@dataclass(frozen=True)
class TrainingPoint:
    """An architecture, its part of the recipe, and how much it is trained."""

    architecture: ArchitectureConfig
    lr_multiplier: float
    train_flops: float
    train_bytes: float
    """Repeated ones counted again."""


@dataclass(frozen=True)
class ScalingPoint(TrainingPoint):
    """A training and what came of it, after its learning rate was taken down."""

    val_bpb: float

    @property
    def trial(self) -> tuple[str, float]:
        """Points of one trial are not independent of one another."""
        return self.architecture.id, self.lr_multiplier


def features(trainings: Sequence[TrainingPoint], corpus_bytes: float) -> Array:
    """(n, F) in the order of FEATURES."""
    return np.array([_features(one, corpus_bytes) for one in trainings], dtype=np.float64).reshape(-1, len(FEATURES))


def _features(training: TrainingPoint, corpus_bytes: float) -> list[float]:
    shape = training.architecture
    sizes = (
        shape.hidden_dim,
        shape.num_layers,
        shape.vocab_size,
        effective_bytes(training.train_bytes, corpus_bytes),
    )
    chosen: dict[str, Any] = {key: getattr(shape, key) for key in CHOICES}
    feed_forward = (3 if shape.is_gated else 2) * shape.hidden_dim * shape.ffn_dim
    rate = math.log2(training.lr_multiplier)
    return [
        *map(math.log, sizes),
        *(float(chosen[key] == name) for key, names in CHOICES.items() for name in names),
        float(shape.tie_embeddings),
        float(shape.qk_norm),
        math.log2(shape.num_heads / shape.num_kv_heads),
        math.log2(shape.head_dim),
        5 * feed_forward / shape.matmul_params_per_layer,  # so that all effects are of like size
        10 * max(shape.attention_dropout, shape.residual_dropout),
        rate,
        rate**2,
    ]


def centre_of(at: Array) -> Array:
    """(F,) the sizes of REFERENCE and the means of the other features (n, F)."""
    centre: Array = at.mean(axis=0)
    centre[: len(SIZES)] = [REFERENCE[name] for name in SIZES]
    return centre


def effective_bytes(train_bytes: float, corpus_bytes: float) -> float:
    """Bytes of fresh text that are worth as much as `train_bytes` read from a corpus of `corpus_bytes`.

    U + U R* (1 - exp(-R / R*)), R = D / U - 1 repetitions (Muennighoff et al. 2023): four passes are worth
    nearly four corpora, a hundred no more than sixteen. Fitted there to models from 7M parameters.
    """
    repeats = max(0.0, train_bytes / corpus_bytes - 1)
    return min(train_bytes, corpus_bytes) + corpus_bytes * REPEATS_DECAY * -math.expm1(-repeats / REPEATS_DECAY)


def losses(parameters: Array, at: Array) -> Array:
    """(4, n) bits per byte that are irreducible, of size, of vocabulary and of data, before the effects."""
    log_e, log_a, alpha, kappa, log_b, beta, eta, epsilon, log_c, gamma, delta = parameters[: len(TERMS)]
    width, depth, vocabulary, data = at[:, : len(SIZES)].T
    logs = (
        0 * data + log_e,
        log_a - alpha * width - kappa * depth,
        log_b - beta * vocabulary - eta * width - epsilon * data,
        log_c + delta * width - gamma * data,
    )
    parts: Array = np.exp(np.array(logs))
    return parts


def log_bpb(parameters: Array, at: Array) -> Array:
    """(n,) log of bits per byte for parameters (P,) and features (n, F) about the centre."""
    total: Array = np.log(losses(parameters, at).sum(axis=0)) + at[:, len(SIZES) :] @ parameters[len(TERMS) :]
    return total
