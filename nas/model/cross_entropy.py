"""Mean cross-entropy of hidden states under an output matrix, without keeping the logits.

M tokens, H hidden, V vocab.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

CHUNK = 256
"""Tokens whose logits exist at once: few enough for the processor's cache, enough for a fast product."""
GPU_LOGITS = 1 << 27
"""Logits that exist at once on a GPU, where each chunk costs a dozen launches: a quarter of a gigabyte in bf16."""
_TINY = torch.finfo(torch.float32).tiny


class SoftTargets(NamedTuple):
    """The K most probable tokens of a teacher for each of M targets."""

    tokens: Tensor
    """(M, K) int64."""
    probabilities: Tensor
    """(M, K), the teacher's softmax at `temperature` over these tokens alone: each row sums to one."""
    share: float
    """Share of the loss that the teacher decides, 0 to 1."""
    temperature: float

    def rows(self, start: int, end: int) -> SoftTargets:
        return self._replace(tokens=self.tokens[start:end], probabilities=self.probabilities[start:end])


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float = 0.0, soft_targets: SoftTargets | None = None
) -> Tensor:
    """Return the mean nats of `targets` (M,) under the logits hidden (M, H) @ weight (V, H)^T, a scalar.

    With `smoothing`, that share of every target is spread evenly over all V tokens (Szegedy et al. 2016). With
    `soft_targets` the loss is (1 - share) of that plus
    share x temperature^2 x KL(teacher || softmax(logits / temperature)) (Hinton et al. 2015, section 2).

    The result equals `F.cross_entropy`, but logits are computed chunk by chunk and replaced by their gradients (Hsu
    et al. 2024, Liger kernel): faster on a CPU, the more so the larger V, and M x V floats less memory.
    In half precision logits and gradients are rounded to it, the sum of a softmax and the loss are float32; the
    probability of a token is at least the smallest normal number (87 nats).
    """
    loss: Tensor = _LinearCrossEntropy.apply(hidden, weight, targets, smoothing, soft_targets)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients computed in the forward pass, where the logits are; the backward pass only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, smoothing: float, soft_targets: SoftTargets | None
    ) -> Tensor:
        count, vocab_size = len(hidden), len(weight)
        precise = torch.promote_types(hidden.dtype, torch.float32)
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        chunk = CHUNK if hidden.is_cpu else max(CHUNK, GPU_LOGITS // vocab_size)
        logits = hidden.new_empty((min(chunk, count), vocab_size))
        grad_logits = torch.empty_like(logits)
        firsts = vocab_size * torch.arange(len(logits), device=hidden.device)
        minus_target = hidden.new_full((len(logits),), smoothing - 1.0)
        total = torch.zeros((), dtype=precise, device=hidden.device)
        share = soft_targets.share if soft_targets is not None else 0.0
        for start in range(0, count, chunk):
            rows, target = hidden[start : start + chunk], targets[start : start + chunk]
            size = len(rows)
            scores, grad_scores = logits[:size], grad_logits[:size]
            torch.mm(rows, weight.T, out=scores)
            torch.softmax(scores, dim=1, out=grad_scores)
            flat, places = grad_scores.view(-1), firsts[:size] + target
            total -= (1 - share) * (1 - smoothing) * flat[places].to(precise).clamp_(min=_TINY).log_().sum()
            if smoothing:
                exact = scores.to(precise)
                total += (1 - share) * smoothing * (exact.logsumexp(dim=1) - exact.mean(dim=1)).sum()
                grad_scores.sub_(smoothing / vocab_size)
            # From here on the gradient with respect to the logits: probabilities, less one at the target.
            flat.index_add_(0, places, minus_target[:size])
            if soft_targets is not None:
                total += _add_teacher_loss(scores.to(precise), grad_scores, soft_targets.rows(start, start + size))
            torch.mm(grad_scores, weight, out=grad_hidden[start : start + chunk])
            grad_weight.addmm_(grad_scores.T, rows)
        ctx.save_for_backward(grad_hidden.div_(count), grad_weight.div_(count))
        return total / count

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad, grad_weight * grad, None, None, None


def _add_teacher_loss(scores: Tensor, grad_scores: Tensor, soft_targets: SoftTargets) -> Tensor:
    """Return the teacher's part of the loss of some rows and add its gradient to `grad_scores` (M, V)."""
    share, temperature, tokens = soft_targets.share, soft_targets.temperature, soft_targets.tokens
    log_probs = torch.log_softmax(scores / temperature, dim=1)
    teacher_probs = soft_targets.probabilities.to(log_probs.dtype)
    divergence = (torch.xlogy(teacher_probs, teacher_probs) - teacher_probs * log_probs.gather(1, tokens)).sum()
    grad = (share * temperature) * log_probs.exp_().scatter_add_(1, tokens, -teacher_probs)
    grad_scores.mul_(1 - share).add_(grad)
    return share * temperature**2 * divergence
