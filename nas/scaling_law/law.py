"""The scaling law: bits per byte of an architecture after any amount of training.

    bpb = (E + A / (H^alpha L^kappa) + B / (V^beta H^eta D^epsilon) + C H^delta / D^gamma)
          x exp(sum of the effects of other choices)

H is the width, L the number of layers, V the number of tokens of the vocabulary, D the bytes read. E and the terms of
size and data follow Hoffmann et al. 2022 (arXiv 2203.15556), with bytes in place of tokens so that vocabularies can be
compared. Three changes are ours. Width and depth count separately, because small models gain more from width than its
share of the parameters suggests. A wider model needs more text to come equally near to its best. And the advantage of
a larger vocabulary shrinks with the width of the model and with the text it has read: with B / (V H)^beta, after Tao et
al. 2024 (arXiv 2407.13623), it would never shrink, and laws of forty trials hardly ranked trainings of ten times their
FLOPs at all (experiments/prediction/README.md).

Shapes: n trainings, F features of each, P parameters of the law; x (n, F) features less their centre.
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
"""Choices other than size. Each shifts log bpb by an effect that is the same at every size and budget."""
FEATURES = (*SIZES, *EFFECTS)
TERMS = ("log_E", "log_A", "alpha", "kappa", "log_B", "beta", "eta", "epsilon", "log_C", "gamma", "delta")
PARAMETERS = (*TERMS, *EFFECTS)
"""A, B and C are bits per byte at the centre from which sizes are counted."""
REFERENCE_SIZES = {"log_H": math.log(64), "log_L": math.log(3), "log_V": math.log(4096), "log_D": math.log(1e7)}
"""The centre of sizes, the same for every study, so that the parameters of one can serve as priors of another. It lies
amid the trials of the space `base`.
"""
REPEATS_DECAY = 15.387756
"""R*_D of Muennighoff et al. 2023 (arXiv 2305.16264, appendix A)."""


@dataclass(frozen=True)
class TrainingPoint:
    """An architecture, its part of the recipe, and how much it is trained."""

    architecture: ArchitectureConfig
    lr_multiplier: float
    train_flops: float
    train_bytes: float
    """Bytes read, repeated ones counted again."""


@dataclass(frozen=True)
class ScalingPoint(TrainingPoint):
    """A training and its validation bits per byte after the learning rate was decayed."""

    val_bpb: float

    @property
    def trial(self) -> tuple[str, float]:
        """Identity of the trial: points of one trial are not independent of one another."""
        return self.architecture.id, self.lr_multiplier


def features(trainings: Sequence[TrainingPoint], corpus_bytes: float) -> Array:
    """Return features (n, F) in the order of FEATURES, not centred."""
    rows = [_features(training, corpus_bytes) for training in trainings]
    return np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def _features(training: TrainingPoint, corpus_bytes: float) -> list[float]:
    architecture = training.architecture
    sizes = (
        architecture.hidden_dim,
        architecture.num_layers,
        architecture.vocab_size,
        effective_bytes(training.train_bytes, corpus_bytes),
    )
    chosen: dict[str, Any] = {key: getattr(architecture, key) for key in CHOICES}
    feed_forward = (3 if architecture.is_gated else 2) * architecture.hidden_dim * architecture.ffn_dim
    log_rate = math.log2(training.lr_multiplier)
    return [
        *map(math.log, sizes),
        *(float(chosen[key] == name) for key, names in CHOICES.items() for name in names),
        float(architecture.tie_embeddings),
        float(architecture.qk_norm),
        math.log2(architecture.num_heads / architecture.num_kv_heads),
        math.log2(architecture.head_dim),
        5 * feed_forward / architecture.matmul_params_per_layer,  # scaled so that all effects are of similar size
        10 * max(architecture.attention_dropout, architecture.residual_dropout),
        log_rate,
        log_rate**2,
    ]


def feature_centre(uncentred: Array) -> Array:
    """Return the centre (F,) of features (n, F): REFERENCE_SIZES, and the means of the other features."""
    centre: Array = uncentred.mean(axis=0)
    centre[: len(SIZES)] = [REFERENCE_SIZES[name] for name in SIZES]
    return centre


def effective_bytes(train_bytes: float, corpus_bytes: float) -> float:
    """Return how many bytes of fresh text teach as much as `train_bytes` read from a corpus of `corpus_bytes`.

    U + U R* (1 - exp(-R / R*)), R = D / U - 1 repetitions (Muennighoff et al. 2023): four passes are worth
    nearly four corpora, a hundred no more than sixteen. It was fitted there to models of 7M parameters and more.
    """
    repeats = max(0.0, train_bytes / corpus_bytes - 1)
    return min(train_bytes, corpus_bytes) + corpus_bytes * REPEATS_DECAY * -math.expm1(-repeats / REPEATS_DECAY)


def loss_terms(parameters: Array, x: Array) -> Array:
    """Return bits per byte (4, n) that are irreducible, due to size, to vocabulary and to data, before the effects."""
    log_e, log_a, alpha, kappa, log_b, beta, eta, epsilon, log_c, gamma, delta = parameters[: len(TERMS)]
    width, depth, vocabulary, data = x[:, : len(SIZES)].T
    logs = (
        0 * data + log_e,
        log_a - alpha * width - kappa * depth,
        log_b - beta * vocabulary - eta * width - epsilon * data,
        log_c + delta * width - gamma * data,
    )
    terms: Array = np.exp(np.array(logs))
    return terms


def log_bpb(parameters: Array, x: Array) -> Array:
    """Return the logarithms (n,) of bits per byte for parameters (P,) and centred features (n, F)."""
    total: Array = np.log(loss_terms(parameters, x).sum(axis=0)) + x[:, len(SIZES) :] @ parameters[len(TERMS) :]
    return total
