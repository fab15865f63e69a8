"""Position encodings: learned, sinusoidal, rotary and linear bias.

B batch, T time (new tokens), S time with the cached tokens before them, H hidden, N heads, D head dim.
Each module is called with the position of the first new token and the number of new tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

ROPE_BASE = 10_000.0
SINUSOID_BASE = 10_000.0

Rotation = tuple[Tensor, Tensor]


class LearnedPositions(nn.Module):
    """A trained vector for each position, added to the token embeddings (T, H)."""

    def __init__(self, max_length: int, hidden_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(max_length, hidden_dim))

    def forward(self, start: int, length: int) -> Tensor:
        return self.weight[start : start + length]


class SinusoidalPositions(nn.Module):
    """Fixed vectors (T, H), times `scale`, added to the token embeddings."""

    table: Tensor

    def __init__(self, max_length: int, hidden_dim: int, scale: float) -> None:
        super().__init__()
        table = scale * sinusoids(max_length, hidden_dim)
        self.register_buffer("table", table.to(torch.get_default_dtype()), persistent=False)

    def forward(self, start: int, length: int) -> Tensor:
        return self.table[start : start + length]


class RotaryPositions(nn.Module):
    """The angles by which queries and keys are rotated, position x base^(-2i/D) (Su et al. 2021, RoFormer).

    It returns cosines and signed sines, (T, N, D) each, in the rotate-half layout that `rotate` reads. They are the
    same for all heads and repeated N times: products with short rows that are broadcast over heads take longer.
    """

    cos: Tensor
    signed_sin: Tensor

    def __init__(self, max_length: int, num_heads: int, head_dim: int) -> None:
        super().__init__()
        frequencies = ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
        angles = torch.arange(max_length, dtype=torch.float64)[:, None, None] * frequencies
        cos = torch.cat((angles.cos(), angles.cos()), dim=-1).repeat(1, num_heads, 1)
        signed_sin = torch.cat((-angles.sin(), angles.sin()), dim=-1).repeat(1, num_heads, 1)
        self.register_buffer("cos", cos.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("signed_sin", signed_sin.to(torch.get_default_dtype()), persistent=False)

    def forward(self, start: int, length: int) -> Rotation:
        end = start + length
        return self.cos[start:end], self.signed_sin[start:end]


class AlibiPositions(nn.Module):
    """The attention bias -slope x distance, one slope per head, with the causal mask in it (Press et al. 2022).

    It returns (1, N, T, S): four dimensions, because PyTorch's fused CPU attention refuses a mask of three.
    """

    slopes: Tensor

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        slopes = torch.tensor(alibi_slopes(num_heads)).view(num_heads, 1, 1)
        self.register_buffer("slopes", slopes, persistent=False)

    def forward(self, start: int, length: int) -> Tensor:
        key = torch.arange(start + length, device=self.slopes.device)
        offset = (key - key[start:, None]).to(self.slopes.dtype)
        offset.masked_fill_(offset > 0, -math.inf)
        return (self.slopes * offset)[None]


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate queries or keys (B, T, N or K, D): component i pairs with i + D/2 (rotate-half, as in Llama).

    Swapping the halves by `roll`, with the sign kept in the sines, is the fastest of the usual forms on a CPU.
    """
    cos, signed_sin = (table[:, : x.shape[2]] for table in rotation)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), signed_sin)


def sinusoids(max_length: int, hidden_dim: int) -> Tensor:
    """Return sin(p / base^(2i/H)) in even and cos in odd features, (T, H) float64 (Vaswani et al. 2017, 3.5)."""
    frequencies = SINUSOID_BASE ** (-torch.arange(0, hidden_dim, 2, dtype=torch.float64) / hidden_dim)
    angles = torch.arange(max_length, dtype=torch.float64)[:, None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


def alibi_slopes(num_heads: int) -> list[float]:
    """Return one slope per head (Press et al. 2022, section 3 and the authors' code).

    For a power of two n: 2^(-8/n), 2^(-16/n), ... For other counts: the slopes of the power of two below,
    then every other slope of the power above.
    """
    power = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    between = [2 ** (-4 * (i + 1) / power) for i in range(0, 2 * power, 2)]
    return slopes + between[: num_heads - power]
