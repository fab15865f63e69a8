"""The model under audit: any module from token ids to logits.

B batch, T time, H hidden, V vocab.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from nas.errors import UsageError

LOGITS_AT_ONCE = 1 << 24
"""Logits in memory at once, so that memory does not grow with the vocabulary."""


@dataclass(frozen=True)
class AuditedModel:
    """A module from ids (B, T) int64 to logits (B, T, V), or to an object that holds them as `.logits`."""

    module: nn.Module
    vocab_size: int
    max_length: int
    """The longest input, in tokens, that the module takes."""

    @cached_property
    def precise(self) -> AuditedModel:
        """A copy of the model in float64 if it runs in float64, else in its own type, in evaluation mode.

        The caller's module is not changed.
        """
        for dtype in (torch.float64, None):
            module = copy.deepcopy(self.module).eval()
            module = module.to(dtype) if dtype else module
            try:
                model = AuditedModel(module, self.vocab_size, self.max_length)
                model.logits(torch.zeros(1, 2, dtype=torch.int64))
            except (RuntimeError, TypeError):
                if dtype is None:
                    raise
                continue
            return model
        raise AssertionError("the loop ends in a return or an error")

    @property
    def is_float64(self) -> bool:
        return next((parameter.dtype for parameter in self.module.parameters()), torch.float32) == torch.float64

    @property
    def device(self) -> torch.device:
        return next((parameter.device for parameter in self.module.parameters()), torch.device("cpu"))

    def logits(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V) of ids (B, T); raise UsageError if the module returns something else."""
        answer = self.module(ids.to(self.device))
        logits = getattr(answer, "logits", answer)
        expected = (*ids.shape, self.vocab_size)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
            actual = tuple(logits.shape) if isinstance(logits, Tensor) else type(answer).__name__
            raise UsageError(f"the model must give logits of shape {expected} or an object with them, found {actual}")
        return logits

    def rows_at_once(self, length: int) -> int:
        """Return how many rows of `length` tokens to compute at once."""
        return max(1, LOGITS_AT_ONCE // (length * self.vocab_size))

    def embeddings(self) -> list[nn.Embedding]:
        """Return the token embeddings: those with a row for every id."""
        embeddings = [module for module in self.module.modules() if isinstance(module, nn.Embedding)]
        return [embedding for embedding in embeddings if embedding.num_embeddings >= self.vocab_size]

    @contextmanager
    def embedded(self, batch: int, length: int) -> Iterator[list[Tensor]]:
        """Collect the outputs of the token embedding inside the block as leaves with gradients, (B, T, H) each.

        An embedding of positions may have as many rows, but its output has no batch dimension.
        """
        leaves: list[Tensor] = []

        def collect(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            if output.shape[:-1] != (batch, length):
                return output
            leaves.append(output.detach().requires_grad_())
            return leaves[-1]

        # Before the model's own hooks: what they add to an embedding is audited too.
        handles = [embedding.register_forward_hook(collect, prepend=True) for embedding in self.embeddings()]
        try:
            yield leaves
        finally:
            for handle in handles:
                handle.remove()


def draw_ids(model: AuditedModel, batch: int, length: int, seed: int = 0) -> Tensor:
    """Return uniform token ids, (B, T)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.vocab_size, (batch, length), generator=generator)


def other_ids(model: AuditedModel, ids: Tensor, seed: int = 1) -> Tensor:
    """Return ids that differ from `ids` everywhere."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randint(1, model.vocab_size, ids.shape, generator=generator)
    return (ids + shift) % model.vocab_size
