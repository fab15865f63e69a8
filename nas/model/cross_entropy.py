"""Mean cross-entropy of hidden states under an output matrix, without keeping the logits.

M tokens, H hidden, V vocab.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 256
"""Tokens whose logits exist at once: few enough to stay in the processor's cache, enough for a fast product."""


def linear_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean nats of `targets` (M,) under the logits hidden (M, H) @ weight (V, H)^T: a scalar.

    Equal to `F.cross_entropy`, but logits are made chunk by chunk and turned into gradients at once (Hsu et
    al. 2024, Liger kernel): faster on a CPU, the more so the larger V, and M x V floats less memory.
    Under autocast the products are in its type, softmax and sums in float32.
    """
    device = hidden.device.type
    if torch.is_autocast_enabled(device):
        half = torch.get_autocast_dtype(device)
        hidden, weight = hidden.to(half), weight.to(half)
    with torch.autocast(device, enabled=False):
        loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients are computed in the forward pass, where the logits are; backward only scales them."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        precise = torch.promote_types(hidden.dtype, torch.float32)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight, dtype=precise)
        total = torch.zeros((), dtype=precise, device=hidden.device)
        minus_one = total.new_full((1, 1), -1.0)
        for rows, target, grad_rows in zip(
            *(torch.split(tensor, CHUNK) for tensor in (hidden, targets[:, None], grad_hidden)), strict=True
        ):
            scores = (rows @ weight.T).to(precise)
            scores -= scores.amax(dim=1, keepdim=True)
            total -= scores.gather(1, target).sum()
            sums = scores.exp_().sum(dim=1, keepdim=True)
            total += sums.log().sum()
            # From here on `scores` is the gradient with respect to the logits: probabilities less the target's one.
            scores.div_(sums).scatter_add_(1, target, minus_one.expand_as(target))
            grad_scores = scores.to(hidden.dtype)
            torch.mm(grad_scores, weight, out=grad_rows)
            if precise == hidden.dtype:
                grad_weight.addmm_(grad_scores.T, rows)
            else:
                grad_weight += grad_scores.T @ rows
        count = len(hidden)
        ctx.save_for_backward(grad_hidden.div_(count), grad_weight.div_(count).to(weight.dtype))
        return total / count

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad, grad_weight * grad, None
