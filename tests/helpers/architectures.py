"""Small architectures that together cover every choice."""

from __future__ import annotations

import itertools
from typing import Any

from nas.architecture.config import CHOICES, ArchitectureConfig


def tiny(**changes: Any) -> ArchitectureConfig:
    """Return a legal architecture that builds in a millisecond."""
    values: dict[str, Any] = {
        "num_layers": 2,
        "hidden_dim": 16,
        "num_heads": 4,
        "ffn_multiplier": 2.5,
        "vocab_size": 23,
        "max_seq_length": 12,
    }
    return ArchitectureConfig(**values | changes)


def every_choice() -> list[ArchitectureConfig]:
    """Return the product of all named choices, tying, qk_norm and query groups."""
    return [
        tiny(
            activation=activation,
            normalization=normalization,
            position_encoding=position,
            tie_embeddings=tied,
            qk_norm=qk_norm,
            num_kv_heads=kv_heads,
        )
        for activation, normalization, position, tied, qk_norm, kv_heads in itertools.product(
            *CHOICES.values(), (False, True), (False, True), (1, 2, 4)
        )
    ]


def attention_choices() -> list[ArchitectureConfig]:
    """Return all choices of attention (positions, query groups, qk_norm), and each activation and norm once."""
    mixes = itertools.product(CHOICES["position_encoding"], (1, 2, 4), (False, True))
    configs = [tiny(position_encoding=position, num_kv_heads=kv, qk_norm=qk) for position, kv, qk in mixes]
    configs += [tiny(activation=activation) for activation in CHOICES["activation"]]
    configs += [tiny(normalization="layernorm"), tiny(tie_embeddings=True)]
    return configs
