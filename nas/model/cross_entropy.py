"""Mean cross-entropy of hidden states under an output matrix, without keeping the logits.

M tokens, H hidden, V vocab.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 256
"""Tokens whose logits exist at once: few enough to stay in the processor's cache, enough for a fast product."""


_TINY = torch.finfo(torch.float32).tiny


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean nats of `targets` (M,) under the logits hidden (M, H) @ weight (V, H)^T: a scalar.

    With `smoothing`, that share of every target is spread evenly over all V tokens (Szegedy et al. 2016).

    Equal to `F.cross_entropy`, but logits are made chunk by chunk and turned into gradients at once (Hsu et
    al. 2024, Liger kernel): faster on a CPU, the more so the larger V, and M x V floats less memory.
    In half precision logits and gradients are rounded to it, the sum of a softmax and the loss are float32; a token's
    probability does not count as less than the smallest normal number (87 nats).
    """
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, smoothing)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients are computed in the forward pass, where the logits are; backward only scales them."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        count, vocab_size = len(hidden), len(weight)
        precise = torch.promote_types(hidden.dtype, torch.float32)
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        logits = hidden.new_empty((min(CHUNK, count), vocab_size))
        likely = torch.empty_like(logits)
        firsts = vocab_size * torch.arange(len(logits), device=hidden.device)
        minus_target = hidden.new_full((len(logits),), smoothing - 1.0)
        total = torch.zeros((), dtype=precise, device=hidden.device)
        for start in range(0, count, CHUNK):
            rows, target = hidden[start : start + CHUNK], targets[start : start + CHUNK]
            size = len(rows)
            scores, grad_scores = logits[:size], likely[:size]
            torch.mm(rows, weight.T, out=scores)
            torch.softmax(scores, dim=1, out=grad_scores)
            flat, places = grad_scores.view(-1), firsts[:size] + target
            total -= (1 - smoothing) * flat[places].to(precise).clamp_(min=_TINY).log_().sum()
            if smoothing:
                scores = scores.to(precise)
                total += smoothing * (scores.logsumexp(dim=1) - scores.mean(dim=1)).sum()
                grad_scores.sub_(smoothing / vocab_size)
            # From here on the gradient with respect to the logits: probabilities less the target's one.
            flat.index_add_(0, places, minus_target[:size])
            torch.mm(grad_scores, weight, out=grad_hidden[start : start + CHUNK])
            grad_weight.addmm_(grad_scores.T, rows)
        ctx.save_for_backward(grad_hidden.div_(count), grad_weight.div_(count))
        return total / count

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad, grad_weight * grad, None, None
