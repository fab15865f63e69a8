"""The defect of the experiment this project grew out of: a decoder whose attention has no causal mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.architecture.config import ArchitectureConfig
from nas.model import Decoder
from nas.model.attention import Attention
from nas.model.cache import KeyValueCache


class UnmaskedDecoder(Decoder):
    """Every token reads the ones after it, its own target among them. No trial can have one: the gates refuse it.

    Earlier states change with each new token, so a cache of them would be wrong: when generating, all that was
    read is read again, as the original did.
    """

    def __init__(self, config: ArchitectureConfig, seed: int = 0) -> None:
        assert config.position_encoding != "alibi", "alibi brings the mask in its bias"
        super().__init__(config, seed)
        for module in self.modules():
            if isinstance(module, Attention):
                module.is_causal = False

    def new_cache(self, batch: int, length: int) -> list[KeyValueCache]:
        """One for the whole model, with token ids in the place of keys."""
        ids = torch.empty(0, dtype=torch.int64, device=self.embedding.weight.device)
        return [KeyValueCache.empty((batch, 1, length, 1), like=ids)]

    def hidden(self, ids: Tensor, cache: Sequence[KeyValueCache] | None = None) -> Tensor:
        """As Decoder.hidden, but all that stands in the cache is read again."""
        if cache is None:
            return super().hidden(ids)
        read, _ = cache[0].extend(ids[:, None, :, None], ids[:, None, :, None])
        return super().hidden(read[:, 0, :, 0])
