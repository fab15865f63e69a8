"""The keys and values of tokens already read, kept by one attention layer while it generates.

B batch, S length the cache has room for, T new tokens, K kv heads, D head dim.
"""

from __future__ import annotations

from torch import Tensor


class KeyValueCache:
    """Room for S tokens of keys and values, (B, K, S, D) each; the first `length` are filled."""

    def __init__(self, keys: Tensor, values: Tensor, length: int = 0) -> None:
        self.keys = keys
        self.values = values
        self.length = length

    @classmethod
    def empty(cls, shape: tuple[int, int, int, int], like: Tensor) -> KeyValueCache:
        """Return an empty cache of the type and on the device of `like`.

        Memory is only reserved: pages are used as tokens arrive.
        """
        return cls(like.new_empty(shape), like.new_empty(shape))

    def rows(self, first: int, last: int, filled: int) -> KeyValueCache:
        """Return a view of the rows from `first` up to `last`, each with `filled` tokens."""
        return KeyValueCache(self.keys[first:last], self.values[first:last], filled)

    def move(self, rows: Tensor, places: Tensor) -> None:
        """Copy all tokens of `rows` (int64) to the rows `places`, in the same order."""
        self.keys[places] = self.keys[rows]
        self.values[places] = self.values[rows]

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add new keys and values (B, K, T, D); return views of all so far (B, K, length, D)."""
        start, self.length = self.length, self.length + keys.shape[2]
        assert self.length <= self.keys.shape[2], f"{self.length} tokens, cache holds {self.keys.shape[2]}"
        self.keys[:, :, start : self.length] = keys
        self.values[:, :, start : self.length] = values
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]
