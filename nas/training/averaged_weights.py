"""A running mean of the weights during training, evaluated and saved in place of the last weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class AveragedWeights:
    """The exponential moving average of weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017).

    In the first steps the decay is smaller, (1 + n) / (10 + n) after n updates, or random weights would remain in it.
    """

    def __init__(self, vectors: Sequence[Tensor], decay: float) -> None:
        """Start from the weights in `vectors`, all trained weights in float32, with `decay` in (0, 1)."""
        self._vectors = vectors
        self._decay = decay
        self.means = [vector.detach().clone() for vector in vectors]

    @torch.no_grad()
    def update(self, updates_before: int) -> None:
        """Move the means towards the current weights."""
        decay = min(self._decay, (1 + updates_before) / (10 + updates_before))
        for mean, vector in zip(self.means, self._vectors, strict=True):
            mean.lerp_(vector, 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the means into the model inside the block, and its own weights back after it."""
        own = [vector.detach().clone() for vector in self._vectors]
        self._write(self.means)
        try:
            yield
        finally:
            self._write(own)

    @torch.no_grad()
    def _write(self, values: Sequence[Tensor]) -> None:
        for vector, value in zip(self._vectors, values, strict=True):
            vector.copy_(value)
