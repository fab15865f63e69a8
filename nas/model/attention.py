"""Causal self-attention with grouped queries.

B batch, T time (new tokens), S time with cached tokens, H hidden, N heads, K kv heads, D head dim.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.architecture.config import ArchitectureConfig
from nas.model.blocked_attention import blocked_attention
from nas.model.cache import KeyValueCache
from nas.model.linear import Linear
from nas.model.normalization import RMSNorm
from nas.model.positions import Rotation, rotate


class Attention(nn.Module):
    """Attention in which each token reads itself and the tokens before it, never one after it.

    N query heads share K key and value heads in groups of N/K (Ainslie et al. 2023). With qk_norm, queries
    and keys pass an RMSNorm over D, one weight for all heads, before they are rotated (as in Qwen3).
    There is no switch that turns the causal mask off.
    """

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.heads = (config.num_heads, config.num_kv_heads, config.num_kv_heads)
        self.head_dim = config.head_dim
        self.is_grouped = config.num_kv_heads < config.num_heads
        self.dropout = config.attention_dropout
        self.qkv = Linear(config.hidden_dim, config.hidden_dim + 2 * config.kv_dim)
        self.out = Linear(config.hidden_dim, config.hidden_dim)
        self.query_norm = RMSNorm(config.head_dim) if config.qk_norm else None
        self.key_norm = RMSNorm(config.head_dim) if config.qk_norm else None

    def forward(self, x: Tensor, rotation: Rotation | None, bias: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        """Map (B, T, H) to (B, T, H); `bias` (1, N, T, S) is added to the scores and must contain the causal mask."""
        batch, length, _ = x.shape
        query, key, value = self.qkv(x).view(batch, length, -1, self.head_dim).split(self.heads, dim=2)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
        if cache is not None:
            # PyTorch's causal mask takes the first query for the first token, so a filled cache takes single tokens.
            assert length == 1 or cache.length == 0, f"{length} tokens at once after {cache.length} cached ones"
            key, value = cache.extend(key, value)
        mixed = self.attend(query, key, value, bias, from_cache=cache is not None)
        output: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return output

    def attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, from_cache: bool) -> Tensor:
        """Return the mean of the values each query may read, (B, N, T, D), weighted by softmax of its scores.

        Takes `query` (B, N, T, D), `key` and `value` (B, K, S, D). The implementation is the fastest for device, type
        and length; all of them apply the causal mask.
        """
        length = query.shape[2]
        dropout = self.dropout if self.training else 0.0
        if not dropout and torch.is_grad_enabled() and query.is_cpu and query.dtype == torch.bfloat16:
            if self.is_grouped:
                group = self.heads[0] // self.heads[1]
                key, value = key.repeat_interleave(group, dim=1), value.repeat_interleave(group, dim=1)
            return blocked_attention(query, key, value, bias)
        if length == 1 and from_cache and query.is_cpu:
            return single_query_attention(query, key, value, bias)
        return F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=bias,
            dropout_p=dropout,
            is_causal=bias is None and length > 1,
            enable_gqa=self.is_grouped,
        )


def single_query_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Return the attention (B, N, 1, D) of the newest token to all tokens so far, which it may all read.

    Takes `query` (B, N, 1, D), `key` and `value` (B, K, S, D), `bias` (1, N, 1, S). There are two products per kv head
    with the keys on the left: on a CPU these wait less for memory than PyTorch's fused kernel.
    """
    batch, num_heads, _, head_dim = query.shape
    num_kv_heads, length = key.shape[1:3]
    group = num_heads // num_kv_heads
    columns = (query * head_dim**-0.5).view(batch * num_kv_heads, group, head_dim).transpose(1, 2)
    scores = torch.bmm(key.flatten(0, 1), columns).transpose(1, 2).reshape(batch, num_heads, 1, length)
    weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
    mixed = torch.bmm(weights.view(batch * num_kv_heads, group, length), value.flatten(0, 1))
    return mixed.view(query.shape)
