"""Training batches as a function of the step alone: there is no state to save or restore."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from nas.errors import CorpusError


def derived_seed(*parts: object) -> int:
    """Return a 63-bit seed from `parts`: other parts give another stream, the same on every platform."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


class Batches:
    """Windows of one token stream in a shuffled order.

    Each epoch cuts the stream into windows of T + 1 tokens that overlap by one, at an offset of its own,
    and visits each once in an order of its own; offset and order depend on (seed, epoch) only.
    """

    def __init__(self, tokens: NDArray[np.integer], batch_size: int, seq_length: int, seed: int) -> None:
        """Cut batches from the stream `tokens`, (num_tokens,); raise CorpusError if it is too short for one window."""
        self._tokens = tokens
        self._batch_size = batch_size
        self._seq_length = seq_length
        self._seed = seed
        self._windows = (len(tokens) - seq_length) // seq_length
        if self._windows < 1:
            raise CorpusError(f"the corpus has {len(tokens)} tokens; a window of {seq_length} needs twice as many")
        self._epoch = -1
        self._starts: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of a step, both (B, T) int64 on the CPU."""
        first = step * self._batch_size
        starts = [self._start(index) for index in range(first, first + self._batch_size)]
        rows = np.stack([self._tokens[start : start + self._seq_length + 1] for start in starts]).astype(np.int64)
        batch = torch.from_numpy(rows)
        return batch[:, :-1].contiguous(), batch[:, 1:].contiguous()

    def _start(self, index: int) -> int:
        epoch, position = divmod(index, self._windows)
        if epoch != self._epoch:
            rng = np.random.default_rng(derived_seed("batches", self._seed, epoch))
            offset = rng.integers(0, len(self._tokens) - self._windows * self._seq_length)
            self._starts = offset + self._seq_length * rng.permutation(self._windows)
            self._epoch = epoch
        return int(self._starts[position])
