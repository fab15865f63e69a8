"""The shapes of models that are measured, and the real tokens that they are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.architecture.config import ArchitectureConfig
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.training.recipe import Recipe, plan_recipe

SPLIT_SEED = 0


@dataclass(frozen=True)
class Shape:
    """The shape of a model and of its training batches."""

    num_layers: int
    hidden_dim: int
    vocab_size: int
    batch_size: int
    seq_length: int
    num_heads: int = 4
    ffn_multiplier: float = 3
    tie_embeddings: bool = False

    @property
    def name(self) -> str:
        return f"L{self.num_layers} H{self.hidden_dim} V{self.vocab_size} B{self.batch_size} T{self.seq_length}"

    @property
    def architecture(self) -> ArchitectureConfig:
        """An architecture with Llama's choices and no dropout, so that the peer can have the same."""
        return ArchitectureConfig(
            num_layers=self.num_layers,
            hidden_dim=self.hidden_dim,
            num_heads=self.num_heads,
            ffn_multiplier=self.ffn_multiplier,
            tie_embeddings=self.tie_embeddings,
            activation="swiglu",
            normalization="rmsnorm",
            position_encoding="rope",
            vocab_size=self.vocab_size,
            max_seq_length=self.seq_length,
        )

    @property
    def step_tokens(self) -> int:
        return self.batch_size * self.seq_length

    @property
    def step_flops(self) -> float:
        """FLOPs of a training step by the formula of `ArchitectureConfig`."""
        return float(self.architecture.train_flops_per_token(self.seq_length) * self.step_tokens)

    @property
    def vocabulary(self) -> str:
        """Vocabulary of the default corpus; if its merges end before `vocab_size`, the last ids never occur."""
        return f"bpe-{self.vocab_size}"

    def tokens(self) -> NDArray[np.integer[Any]]:
        """Return the training stream, (num_tokens,)."""
        return corpus(self.vocabulary).tokens(self.vocabulary, "train")

    def recipe(self, num_steps: int) -> Recipe:
        return plan_recipe(
            self.architecture, num_steps=num_steps, batch_tokens=self.step_tokens, seq_length=self.seq_length
        )


SMALL = Shape(num_layers=2, hidden_dim=128, vocab_size=4096, batch_size=16, seq_length=128)
MEDIUM = Shape(num_layers=4, hidden_dim=256, vocab_size=4096, batch_size=16, seq_length=256)
WIDE_VOCABULARY = Shape(num_layers=4, hidden_dim=256, vocab_size=50_257, batch_size=8, seq_length=256)
SHAPES = {"small": SMALL, "medium": MEDIUM, "wide": WIDE_VOCABULARY}


@cache
def corpus(vocabulary: str) -> PreparedData:
    """Return the default corpus with this vocabulary, prepared in the data cache if needed."""
    return prepare_data("stdlib", [vocabulary], split_seed=SPLIT_SEED)
