"""The keys and values of tokens already read, kept by one attention layer while it generates.

B batch, S length the cache has room for, T new tokens, K kv heads, D head dim.
"""

from __future__ import annotations

from torch import Tensor


class KeyValueCache:
    """Room for S tokens of keys and values, (B, K, S, D) each; the first `length` are filled."""

    def __init__(self, shape: tuple[int, int, int, int], like: Tensor) -> None:
        """Take type and device from `like`. Memory is only reserved: pages are used as tokens arrive."""
        self.keys = like.new_empty(shape)
        self.values = like.new_empty(shape)
        self.length = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new keys and values (B, K, T, D); views of all so far (B, K, length, D)."""
        start, self.length = self.length, self.length + keys.shape[2]
        assert self.length <= self.keys.shape[2], f"{self.length} tokens, cache holds {self.keys.shape[2]}"
        self.keys[:, :, start : self.length] = keys
        self.values[:, :, start : self.length] = values
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]
