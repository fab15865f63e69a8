"""Causal attention in half precision on a CPU, where it is faster than PyTorch's fused kernel.

B batch, N heads, T time, D head dim, S keys of one block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

QUERIES = 128
"""Queries per block. A block reads the keys up to its own end, so smaller blocks skip more masked scores."""
_SCORES_AT_ONCE = 1 << 20  # few enough to stay in the processor's cache
_MAX_COMPILED = 2
"""Most blocks that torch.compile may unroll: more take minutes, and the result is slower than these kernels."""


def blocked_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Return softmax(mask(query key^T / sqrt(D)) + bias) value, (B, N, T, D).

    Takes `query`, `key` and `value` (B, N, T, D) and `bias` (1, N, T, T), which must contain the mask. Products are
    computed in the given type, the sums of each softmax in float32. Probabilities are kept for the backward pass:
    B x N x T x T numbers without the masked ones.
    """
    apply: Any = _BlockedAttention.apply
    if torch.compiler.is_compiling() and len(list(_blocks(query.shape))) > _MAX_COMPILED:
        apply = torch.compiler.disable(apply)  # type: ignore[no-untyped-call]
    mixed: Tensor = apply(query, key, value, bias)
    return mixed


class _BlockedAttention(torch.autograd.Function):
    """The forward pass block by block, with its derivative.

    With S = q k^T, P = softmax(S) and o = P v:  dv = P^T do,  dP = do v^T,  dS = P (dP - rowsum(P dP)),
    dq = dS k,  dk = dS^T q.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        query = (query * query.shape[-1] ** -0.5).contiguous()
        key, value = key.contiguous(), value.contiguous()
        mixed = torch.empty_like(query)
        probabilities = []
        for rows, queries, keys in _blocks(query.shape):
            scores = query[rows, :, queries] @ key[rows, :, keys].transpose(-1, -2)
            if bias is None:
                # All of the block's queries may read the keys before its first: only the square at the end is masked.
                scores[..., queries] += _causal_mask(queries.stop - queries.start, scores)
            else:
                scores += bias[:, :, queries, keys]
            probabilities.append(torch.softmax(scores, dim=-1))
            mixed[rows, :, queries] = probabilities[-1] @ value[rows, :, keys]
        ctx.save_for_backward(query, key, value, *probabilities)
        return mixed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, *probabilities = ctx.saved_tensors
        grad = grad.contiguous()
        grad_query, grad_key, grad_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for (rows, queries, keys), probability in zip(_blocks(query.shape), probabilities, strict=True):
            grad_rows = grad[rows, :, queries]
            grad_probability = grad_rows @ value[rows, :, keys].transpose(-1, -2)
            grad_scores = torch.ops.aten._softmax_backward_data(grad_probability, probability, -1, probability.dtype)
            grad_query[rows, :, queries] = grad_scores @ key[rows, :, keys]
            grad_key[rows, :, keys] += grad_scores.transpose(-1, -2) @ query[rows, :, queries]
            grad_value[rows, :, keys] += probability.transpose(-1, -2) @ grad_rows
        return grad_query.mul_(query.shape[-1] ** -0.5), grad_key, grad_value, None


def _blocks(shape: torch.Size) -> Iterator[tuple[slice, slice, slice]]:
    """Yield the batch rows, queries and readable keys of each block, which is computed at once."""
    batch, heads, length, _ = shape
    size = min(QUERIES, length)
    rows = max(1, _SCORES_AT_ONCE // (heads * size * length))
    for row in range(0, batch, rows):
        for first in range(0, length, size):
            last = min(first + size, length)
            yield slice(row, min(row + rows, batch)), slice(first, last), slice(0, last)


def _causal_mask(size: int, like: Tensor) -> Tensor:
    return like.new_full((size, size), -math.inf).triu_(1)
