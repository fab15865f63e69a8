"""Mean cross-entropy of hidden states under an output matrix, without keeping the logits.

M tokens, H hidden, V vocab.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

CHUNK = 256
"""Tokens whose logits exist at once: few enough to stay in the processor's cache, enough for a fast product."""
GPU_LOGITS = 1 << 27
"""Logits that exist at once on a GPU, where each chunk costs a dozen launches: a quarter of a gigabyte in bf16."""


_TINY = torch.finfo(torch.float32).tiny


class SoftTargets(NamedTuple):
    """What a teacher says of M targets: its K likeliest tokens."""

    tokens: Tensor
    """(M, K) int64."""
    probabilities: Tensor
    """(M, K), of its softmax at `temperature` over these tokens alone: each row adds up to one."""
    share: float
    """Of the loss that the teacher decides, 0 to 1."""
    temperature: float

    def rows(self, start: int, end: int) -> SoftTargets:
        return self._replace(tokens=self.tokens[start:end], probabilities=self.probabilities[start:end])


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float = 0.0, taught: SoftTargets | None = None
) -> Tensor:
    """Mean nats of `targets` (M,) under the logits hidden (M, H) @ weight (V, H)^T: a scalar.

    With `smoothing`, that share of every target is spread evenly over all V tokens (Szegedy et al. 2016). With
    `taught` it is (1 - share) of that plus share x temperature^2 x KL(teacher || softmax(logits / temperature))
    (Hinton et al. 2015, section 2).

    Equal to `F.cross_entropy`, but logits are made chunk by chunk and turned into gradients at once (Hsu et
    al. 2024, Liger kernel): faster on a CPU, the more so the larger V, and M x V floats less memory.
    In half precision logits and gradients are rounded to it, the sum of a softmax and the loss are float32; a token's
    probability does not count as less than the smallest normal number (87 nats).
    """
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, smoothing, taught)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients are computed in the forward pass, where the logits are; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float, taught: SoftTargets | None
    ) -> Tensor:
        count, vocab_size = len(hidden), len(weight)
        precise = torch.promote_types(hidden.dtype, torch.float32)
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        chunk = CHUNK if hidden.is_cpu else max(CHUNK, GPU_LOGITS // vocab_size)
        logits = hidden.new_empty((min(chunk, count), vocab_size))
        likely = torch.empty_like(logits)
        firsts = vocab_size * torch.arange(len(logits), device=hidden.device)
        minus_target = hidden.new_full((len(logits),), smoothing - 1.0)
        total = torch.zeros((), dtype=precise, device=hidden.device)
        share = taught.share if taught is not None else 0.0
        for start in range(0, count, chunk):
            rows, target = hidden[start : start + chunk], targets[start : start + chunk]
            size = len(rows)
            scores, grad_scores = logits[:size], likely[:size]
            torch.mm(rows, weight.T, out=scores)
            torch.softmax(scores, dim=1, out=grad_scores)
            flat, places = grad_scores.view(-1), firsts[:size] + target
            total -= (1 - share) * (1 - smoothing) * flat[places].to(precise).clamp_(min=_TINY).log_().sum()
            if smoothing:
                exact = scores.to(precise)
                total += (1 - share) * smoothing * (exact.logsumexp(dim=1) - exact.mean(dim=1)).sum()
                grad_scores.sub_(smoothing / vocab_size)
            # From here on the gradient with respect to the logits: probabilities less the target's one.
            flat.index_add_(0, places, minus_target[:size])
            if taught is not None:
                total += _learn(scores.to(precise), grad_scores, taught.rows(start, start + size))
            torch.mm(grad_scores, weight, out=grad_hidden[start : start + chunk])
            grad_weight.addmm_(grad_scores.T, rows)
        ctx.save_for_backward(grad_hidden.div_(count), grad_weight.div_(count))
        return total / count

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad, grad_weight * grad, None, None, None


def _learn(scores: Tensor, grad_scores: Tensor, taught: SoftTargets) -> Tensor:
    """The teacher's part of the loss of some rows; its gradient joins `grad_scores` (M, V), that of the targets."""
    share, temperature = taught.share, taught.temperature
    likely = torch.log_softmax(scores / temperature, dim=1)
    wanted = taught.probabilities.to(likely.dtype)
    divergence = (torch.xlogy(wanted, wanted) - wanted * likely.gather(1, taught.tokens)).sum()
    grad = (share * temperature) * likely.exp_().scatter_add_(1, taught.tokens, -wanted)
    grad_scores.mul_(1 - share).add_(grad)
    return share * temperature**2 * divergence
