"""A decoder's weights under format-neutral names, and how a format renames them.

H hidden, V vocab, T max_seq_length, K kv heads, D head dim, E ffn_dim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.architecture.config import ArchitectureConfig
from nas.model import Decoder
from nas.model.decoder import Block

Weights = dict[str, Tensor]


def decoder_weights(model: Decoder) -> Weights:
    """Return copies of all weights of a decoder, with fused matrices split.

    Outside the layers: `embedding.weight` (V, H), `positions.weight` (T, H) where a table of positions is added,
    learned or fixed, `norm.weight`, `norm.bias`, and `head.weight` (V, H) unless it is tied. In `layers.N.`:
    `attention_norm`, `query` (H, H), `key` and `value` (K D, H), `query_norm` and `key_norm` (D), `out` (H, H),
    `feed_forward_norm`, `gate` and `up` (E, H), `down` (H, E). Norms have a bias if the architecture's norms do.
    """
    config = model.config
    weights = {"embedding": model.embedding.weight} | _norm("norm", model.norm)
    if model.absolute is not None:
        weights["positions"] = model.absolute(0, config.max_seq_length)
    if model.head is not None:
        weights["head"] = model.head.weight
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        weights |= {f"layers.{number}.{name}": weight for name, weight in _layer(block, config).items()}
    # Copies, because rows of a fused matrix share its memory, which safetensors refuses.
    return {
        name if name.endswith(".bias") else f"{name}.weight": weight.detach().cpu().clone()
        for name, weight in weights.items()
    }


def _layer(block: Block, config: ArchitectureConfig) -> Weights:
    attention, expand = block.attention, block.feed_forward.expand.weight
    weights = _norm("attention_norm", block.attention_norm) | _norm("feed_forward_norm", block.feed_forward_norm)
    rows = torch.split(attention.qkv.weight, [config.hidden_dim, config.kv_dim, config.kv_dim])
    weights |= dict(zip(("query", "key", "value"), rows, strict=True))
    if attention.query_norm is not None and attention.key_norm is not None:
        weights |= {"query_norm": attention.query_norm.weight, "key_norm": attention.key_norm.weight}
    names = ("gate", "up") if config.is_gated else ("up",)
    weights |= dict(zip(names, expand.chunk(len(names)), strict=True))
    return weights | {"out": attention.out.weight, "down": block.feed_forward.down.weight}


def _norm(name: str, norm: nn.Module) -> Weights:
    """Return the weight of a norm and, for a LayerNorm, its bias."""
    return {name if kind == "weight" else f"{name}.{kind}": value for kind, value in norm.named_parameters()}


@dataclass(frozen=True)
class WeightNames:
    """The names of a format for the weights of a decoder."""

    model: Mapping[str, str]
    """Weight outside the layers -> its name, without `.weight` and `.bias`."""
    layer_prefix: str
    """Prefix of the names in a layer, with `{}` for the layer's number."""
    layer: Mapping[str, str]
    """Weight in a layer -> its name after the prefix."""

    def rename(self, weights: Weights) -> Weights:
        """Return the same weights under the format's names; each weight must have one."""
        renamed = {}
        for full_name, weight in weights.items():
            name, _, kind = full_name.rpartition(".")
            if name.startswith("layers."):
                _, number, name = name.split(".")
                renamed[f"{self.layer_prefix.format(number)}{self.layer[name]}.{kind}"] = weight
            else:
                renamed[f"{self.model[name]}.{kind}"] = weight
        return renamed
