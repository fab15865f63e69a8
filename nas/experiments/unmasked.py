"""The defect of the experiment this project grew out of: a decoder whose attention has no causal mask."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nas.architecture import ArchitectureConfig
from nas.model import Decoder
from nas.model.attention import Attention
from nas.model.cache import KeyValueCache


class UnmaskedDecoder(Decoder):
    """Every token reads the ones after it, its own target among them. No trial can have one: the gates refuse it.

    Earlier states change with each new token, so a cache of them would be wrong: when generating, all that was
    read is read again, as the original did. One generation at a time.
    """

    def __init__(self, config: ArchitectureConfig, seed: int = 0) -> None:
        assert config.position_encoding != "alibi", "alibi brings the mask in its bias"
        super().__init__(config, seed)
        for module in self.modules():
            if isinstance(module, Attention):
                module.is_causal = False
        self._read: Tensor | None = None

    def new_cache(self, batch: int, length: int) -> list[KeyValueCache]:
        """Forget what was read before; the cache itself stays empty."""
        self._read = torch.zeros((batch, 0), dtype=torch.int64, device=self.embedding.weight.device)
        return super().new_cache(1, 1)

    def hidden(self, ids: Tensor, cache: Sequence[KeyValueCache] | None = None) -> Tensor:
        """As Decoder.hidden, with the whole text in place of the cache."""
        if cache is None or self._read is None:
            return super().hidden(ids)
        self._read = torch.cat([self._read, ids], dim=1)
        return super().hidden(self._read)
