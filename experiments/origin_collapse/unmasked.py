"""The defect of the origin experiment: a decoder whose attention has no causal mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.architecture.config import ArchitectureConfig
from nas.model import Decoder
from nas.model.attention import Attention
from nas.model.cache import KeyValueCache
from nas.model.decoder import Block


class UnmaskedAttention(Attention):
    """Attention in which each token reads all tokens, those after it included."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, from_cache: bool) -> Tensor:
        """Return what `Attention.attend` would without its mask."""
        assert bias is None and not from_cache, "a bias contains the mask, and a cache has only earlier tokens"
        dropout = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, enable_gqa=self.is_grouped)


class UnmaskedDecoder(Decoder):
    """A decoder in which every token reads the ones after it, its own target among them.

    No trial can have one: the leak checks refuse it. Earlier states change with each new token, so cached keys and
    values would be wrong: generation reads the whole sequence again at each token, as the origin did.
    """

    def __init__(self, config: ArchitectureConfig, seed: int = 0) -> None:
        assert config.position_encoding != "alibi", "alibi contains the mask in its bias"
        super().__init__(config, seed)
        for block in self.blocks:
            assert isinstance(block, Block)
            unmasked = UnmaskedAttention(config)
            unmasked.load_state_dict(block.attention.state_dict())
            block.attention = unmasked

    def new_cache(self, batch: int, length: int) -> list[KeyValueCache]:
        """Return one cache for the whole model, with token ids in place of keys."""
        ids = torch.empty(0, dtype=torch.int64, device=self.embedding.weight.device)
        return [KeyValueCache.empty((batch, 1, length, 1), like=ids)]

    def hidden(self, ids: Tensor, cache: Sequence[KeyValueCache] | None = None) -> Tensor:
        """Return what `Decoder.hidden` does, after reading again all tokens in the cache."""
        if cache is None:
            return super().hidden(ids)
        read, _ = cache[0].extend(ids[:, None, :, None], ids[:, None, :, None])
        return super().hidden(read[:, 0, :, 0])
