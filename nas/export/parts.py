"""A decoder's weights taken apart, under names that belong to nobody's format.

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

Parts = dict[str, Tensor]


def take_apart(model: Decoder) -> Parts:
    """Copies of all weights, fused ones split.

    Outside of the layers: `embedding.weight` (V, H), `positions.weight` (T, H) where a table of positions is added,
    learned or fixed, `norm.weight`, `norm.bias`, and `head.weight` (V, H) unless it is tied. In `layers.N.`:
    `attention_norm`, `query` (H, H), `key` and `value` (K D, H), `query_norm` and `key_norm` (D), `out` (H, H),
    `feed_forward_norm`, `gate` and `up` (E, H), `down` (H, E). Norms have a bias where the architecture's have one.
    """
    config = model.config
    parts = {"embedding": model.embedding.weight} | _norm("norm", model.norm)
    if model.absolute is not None:
        parts["positions"] = model.absolute(0, config.max_seq_length)
    if model.head is not None:
        parts["head"] = model.head.weight
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        parts |= {f"layers.{number}.{name}": weight for name, weight in _layer(block, config).items()}
    # Copies, as rows of a fused matrix share its memory, which safetensors refuses.
    return {
        name if name.endswith(".bias") else f"{name}.weight": weight.detach().cpu().clone()
        for name, weight in parts.items()
    }


def _layer(block: Block, config: ArchitectureConfig) -> Parts:
    attention, expand = block.attention, block.feed_forward.expand.weight
    parts = _norm("attention_norm", block.attention_norm) | _norm("feed_forward_norm", block.feed_forward_norm)
    rows = torch.split(attention.qkv.weight, [config.hidden_dim, config.kv_dim, config.kv_dim])
    parts |= dict(zip(("query", "key", "value"), rows, strict=True))
    if attention.query_norm is not None and attention.key_norm is not None:
        parts |= {"query_norm": attention.query_norm.weight, "key_norm": attention.key_norm.weight}
    names = ("gate", "up") if config.is_gated else ("up",)
    parts |= dict(zip(names, expand.chunk(len(names)), strict=True))
    return parts | {"out": attention.out.weight, "down": block.feed_forward.down.weight}


def _norm(name: str, norm: nn.Module) -> Parts:
    """A bias is there in a LayerNorm alone."""
    return {name if kind == "weight" else f"{name}.{kind}": value for kind, value in norm.named_parameters()}


@dataclass(frozen=True)
class Naming:
    """How a format calls the parts."""

    outside: Mapping[str, str]
    """Part -> its name, without `.weight` and `.bias`."""
    layer: str
    """What stands before the name of a part of a layer, `{}` for the layer's number."""
    inside: Mapping[str, str]

    def rename(self, parts: Mapping[str, Tensor]) -> Parts:
        """The same weights under the format's names; a part without a name there is a defect of ours."""
        renamed = {}
        for name, weight in parts.items():
            part, _, kind = name.rpartition(".")
            if part.startswith("layers."):
                _, number, part = part.split(".")
                renamed[f"{self.layer.format(number)}{self.inside[part]}.{kind}"] = weight
            else:
                renamed[f"{self.outside[part]}.{kind}"] = weight
        return renamed
