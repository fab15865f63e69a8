"""The model under audit: any module from token ids to logits, seen from outside.

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
"""Logits held at once, so that memory does not grow with the vocabulary."""


@dataclass(frozen=True)
class AuditedModel:
    """A module from ids (B, T) int64 to logits (B, T, V), or to an object that holds them as `.logits`."""

    module: nn.Module
    vocab_size: int
    max_length: int
    """The longest input that the module takes."""

    @cached_property
    def precise(self) -> AuditedModel:
        """The same model in float64 where it runs in it, else as it is; always in evaluation mode.

        Weights are copied: the caller's module is left alone.
        """
        for dtype in (torch.float64, None):
            module = copy.deepcopy(self.module).eval()
            module = module.to(dtype) if dtype else module
            try:
                subject = AuditedModel(module, self.vocab_size, self.max_length)
                subject.logits(torch.zeros(1, 2, dtype=torch.int64))
            except (RuntimeError, TypeError):
                if dtype is None:
                    raise
                continue
            return subject
        raise AssertionError("the loop ends in a return or an error")

    @property
    def is_float64(self) -> bool:
        return next((one.dtype for one in self.module.parameters()), torch.float32) == torch.float64

    @property
    def device(self) -> torch.device:
        return next((one.device for one in self.module.parameters()), torch.device("cpu"))

    def logits(self, ids: Tensor) -> Tensor:
        """(B, T) to (B, T, V); UsageError when the module answers with something else."""
        answer = self.module(ids.to(self.device))
        logits = getattr(answer, "logits", answer)
        expected = (*ids.shape, self.vocab_size)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
            found = tuple(logits.shape) if isinstance(logits, Tensor) else type(answer).__name__
            raise UsageError(f"the model must give logits of shape {expected} or an object with them, found {found}")
        return logits

    def rows_at_once(self, length: int) -> int:
        return max(1, LOGITS_AT_ONCE // (length * self.vocab_size))

    def embeddings(self) -> list[nn.Embedding]:
        """Token embeddings: those with a row for every id."""
        found = [one for one in self.module.modules() if isinstance(one, nn.Embedding)]
        return [one for one in found if one.num_embeddings >= self.vocab_size]

    @contextmanager
    def embedded(self, batch: int, length: int) -> Iterator[list[Tensor]]:
        """Within it, what the token embedding gives is collected as leaves that take gradients, (B, T, H) each.

        An embedding of positions may have as many rows; what it gives has no batch.
        """
        leaves: list[Tensor] = []

        def take(module: nn.Module, given: object, output: Tensor) -> Tensor:
            if output.shape[:-1] != (batch, length):
                return output
            leaves.append(output.detach().requires_grad_())
            return leaves[-1]

        # Before any hook of the model's own: what it adds to an embedding is part of what is under audit.
        handles = [one.register_forward_hook(take, prepend=True) for one in self.embeddings()]
        try:
            yield leaves
        finally:
            for handle in handles:
                handle.remove()


def draw_ids(subject: AuditedModel, batch: int, length: int, seed: int = 0) -> Tensor:
    """Uniform token ids, (B, T)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(subject.vocab_size, (batch, length), generator=generator)


def other_ids(subject: AuditedModel, ids: Tensor, seed: int = 1) -> Tensor:
    """Ids that differ from `ids` everywhere."""
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randint(1, subject.vocab_size, ids.shape, generator=generator)
    return (ids + shift) % subject.vocab_size
