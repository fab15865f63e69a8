"""Small models in plain PyTorch, correct or with one leak each.

B batch, T time, H hidden, V vocab.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCAB_SIZE = 48
MAX_LENGTH = 64
HIDDEN = 16


class Layer(nn.Module):
    """One head of attention that may read `ahead` tokens of the future, and a feed-forward layer."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.qkv = nn.Linear(HIDDEN, 3 * HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        self.feed_forward = nn.Sequential(nn.Linear(HIDDEN, 2 * HIDDEN), nn.GELU(), nn.Linear(2 * HIDDEN, HIDDEN))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        allowed = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril(diagonal=self.ahead)
        x = x + self.out(F.scaled_dot_product_attention(query, key, value, attn_mask=allowed))
        return x + self.feed_forward(x)


class PlainModel(nn.Module):
    """A map from token ids (B, T) to logits (B, T, V); `ahead` is the defect of each layer's mask."""

    def __init__(self, ahead: tuple[int, ...] = (0, 0), convolution_ahead: int | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.embedding = nn.Embedding(VOCAB_SIZE, HIDDEN)
            self.position = nn.Embedding(MAX_LENGTH, HIDDEN)
            self.layers = nn.ModuleList(Layer(distance) for distance in ahead)
            self.convolution = nn.Conv1d(HIDDEN, HIDDEN, 3) if convolution_ahead is not None else None
            self.head = nn.Linear(HIDDEN, VOCAB_SIZE)
        self.convolution_ahead = convolution_ahead

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) + self.position(torch.arange(ids.shape[1]))
        if self.convolution is not None and self.convolution_ahead is not None:
            padded = F.pad(x.transpose(1, 2), (2 - self.convolution_ahead, self.convolution_ahead))
            x = x + self.convolution(padded).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.head(x)
        return logits


class NanModel(PlainModel):
    """A diverged model: its output matrix is NaN, and so is every logit."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.constant_(self.head.weight, float("nan"))


CAUSAL = {"attention": PlainModel(), "attention and convolution": PlainModel(convolution_ahead=0)}
LEAKY = {
    "no mask": PlainModel(ahead=(MAX_LENGTH, MAX_LENGTH)),
    "mask off by one": PlainModel(ahead=(1, 1)),
    "bidirectional last layer": PlainModel(ahead=(0, MAX_LENGTH)),
    "convolution ahead by one": PlainModel(convolution_ahead=1),
}
