"""A running mean of the weights of a training, evaluated and kept in place of the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class AveragedWeights:
    """The exponential moving average of the weights in `vectors` (Polyak and Juditsky 1992; as Tarvainen 2017).

    In the first steps it forgets faster, by (1 + n) / (10 + n) after n updates, or random weights would stay in it.
    """

    def __init__(self, vectors: Sequence[Tensor], decay: float) -> None:
        """`vectors`: all trained weights, float32; `decay` in (0, 1)."""
        self._vectors = vectors
        self._decay = decay
        self.means = [vector.detach().clone() for vector in vectors]

    @torch.no_grad()
    def update(self, updates_before: int) -> None:
        decay = min(self._decay, (1 + updates_before) / (10 + updates_before))
        for mean, vector in zip(self.means, self._vectors, strict=True):
            mean.lerp_(vector, 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within, the model holds the means; after it, its own weights again."""
        kept = [vector.detach().clone() for vector in self._vectors]
        self._write(self.means)
        try:
            yield
        finally:
            self._write(kept)

    @torch.no_grad()
    def _write(self, values: Sequence[Tensor]) -> None:
        for vector, value in zip(self._vectors, values, strict=True):
            vector.copy_(value)
