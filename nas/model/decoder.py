"""The pre-norm decoder-only transformer that every architecture of a search space describes.

B batch, T time, H hidden, V vocab, L layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.architecture.config import ArchitectureConfig
from nas.model.attention import Attention
from nas.model.cache import KeyValueCache
from nas.model.cross_entropy import SoftTargets, linear_cross_entropy
from nas.model.feed_forward import FeedForward
from nas.model.linear import Linear, multiply_packed
from nas.model.normalization import build_norm
from nas.model.positions import AlibiPositions, LearnedPositions, RotaryPositions, Rotation, SinusoidalPositions

INITIAL_LOGIT_STD = 0.2
"""Standard deviation of the first logits: it adds half its square, in nats, to the first loss of ln V."""
INITIAL_BRANCH_SCALE = 0.1
"""Initial scale of the projections onto the residual stream, relative to other linears. It is near zero, so that a
block starts almost as the identity: it learns sooner in a short training than with a scale of one. It is not zero,
because each part must affect the first logits and gradients, where leaks are looked for."""


class Decoder(nn.Module):
    """A map from token ids to logits, by the architecture in `config`; `seed` alone decides the weights.

    Initial weights (norms start with weight one and bias zero):
    - linears: std 1/sqrt(fan-in), so that signals keep their size at any width;
    - the two projections onto the residual stream: that times INITIAL_BRANCH_SCALE / sqrt(2L)
      (after Radford et al. 2019, GPT-2, 2.3);
    - embeddings, learned positions and output matrix: std INITIAL_LOGIT_STD / sqrt(H), so that the first
      loss is near ln V, tied or not (a width of 100 gives GPT-2's 0.02).
    """

    packed_embedding: Tensor | None = None
    """The packed embedding, where it is the output matrix too (see `Linear.packed`)."""

    def __init__(self, config: ArchitectureConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        hidden_dim, max_length, position = config.hidden_dim, config.max_seq_length, config.position_encoding
        self.embedding = nn.Embedding(config.vocab_size, hidden_dim, _weight=torch.empty(config.vocab_size, hidden_dim))
        self.absolute: LearnedPositions | SinusoidalPositions | None = None
        if position == "learned":
            self.absolute = LearnedPositions(max_length, hidden_dim)
        elif position == "sinusoidal":
            # sqrt(2): sines have a mean square of one half.
            self.absolute = SinusoidalPositions(max_length, hidden_dim, math.sqrt(2) * self._token_std)
        self.rotary = RotaryPositions(max_length, config.num_heads, config.head_dim) if position == "rope" else None
        self.alibi = AlibiPositions(config.num_heads) if position == "alibi" else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = build_norm(config.normalization, hidden_dim)
        self.head = None if config.tie_embeddings else Linear(hidden_dim, config.vocab_size)
        self._draw_weights(seed)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V) for the token after each of `ids` (B, T) int64."""
        return self.unembed(self.hidden(ids))

    def loss(
        self, ids: Tensor, targets: Tensor, smoothing: float = 0.0, soft_targets: SoftTargets | None = None
    ) -> Tensor:
        """Return the mean cross-entropy in nats of `targets` (B, T), each the token after its place in `ids`.

        `smoothing` and `soft_targets` (B x T rows) are those of `linear_cross_entropy`; without gradients they are
        ignored.
        """
        if torch.is_grad_enabled():
            hidden = self.hidden(ids).flatten(0, 1)
            return linear_cross_entropy(hidden, self.output_weight, targets.flatten(), smoothing, soft_targets)
        return F.cross_entropy(self(ids).flatten(0, 1), targets.flatten())

    def hidden(self, ids: Tensor, cache: Sequence[KeyValueCache] | None = None) -> Tensor:
        """Return the states (B, T, H) after the final norm; with a cache, `ids` continue it and are added to it."""
        start, length = cache[0].length if cache else 0, ids.shape[1]
        limit = self.config.max_seq_length
        assert start + length <= limit, f"{start + length} tokens, but max_seq_length is {limit}"
        x: Tensor = self.embedding(ids)
        if self.absolute is not None:
            x = x + self.absolute(start, length)
        x = F.dropout(x, self.config.residual_dropout, self.training)
        rotation = self.rotary(start, length) if self.rotary is not None else None
        bias = self.alibi(start, length) if self.alibi is not None else None
        for layer, block in enumerate(self.blocks):
            x = block(x, rotation, bias, cache[layer] if cache else None)
        states: Tensor = self.norm(x)
        return states

    def unembed(self, hidden: Tensor) -> Tensor:
        """Return the logits (..., V) of states (..., H)."""
        if self.head is not None:
            logits: Tensor = self.head(hidden)
            return logits
        if self.packed_embedding is not None:
            return multiply_packed(hidden, self.packed_embedding)
        return F.linear(hidden, self.embedding.weight)

    @property
    def output_weight(self) -> Tensor:
        """The output matrix (V, H): the embedding's own when tied."""
        return self.embedding.weight if self.head is None else self.head.weight

    def new_cache(self, batch: int, length: int) -> list[KeyValueCache]:
        """Return one empty cache per layer, with room for `length` tokens of `batch` rows."""
        shape = (batch, self.config.num_kv_heads, length, self.config.head_dim)
        return [KeyValueCache.empty(shape, like=self.embedding.weight.detach()) for _ in self.blocks]

    @property
    def _token_std(self) -> float:
        return INITIAL_LOGIT_STD / math.sqrt(self.config.hidden_dim)

    def _draw_weights(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(weight: Tensor, std: float) -> None:
            nn.init.normal_(weight, std=std, generator=generator)

        draw(self.embedding.weight, self._token_std)
        if isinstance(self.absolute, LearnedPositions):
            draw(self.absolute.weight, self._token_std)
        if self.head is not None:
            draw(self.head.weight, self._token_std)
        for module in self.blocks.modules():
            if isinstance(module, Linear):
                draw(module.weight, module.weight.shape[1] ** -0.5)
        scale = INITIAL_BRANCH_SCALE / math.sqrt(2 * self.config.num_layers)
        with torch.no_grad():
            for block in self.blocks:
                assert isinstance(block, Block)
                block.attention.out.weight.mul_(scale)
                block.feed_forward.down.weight.mul_(scale)


class Block(nn.Module):
    """One layer: x + attention(norm(x)), then x + feed_forward(norm(x)), pre-norm (Xiong et al. 2020)."""

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        self.attention_norm = build_norm(config.normalization, config.hidden_dim)
        self.attention = Attention(config)
        self.feed_forward_norm = build_norm(config.normalization, config.hidden_dim)
        self.feed_forward = FeedForward(config)
        self.dropout = config.residual_dropout

    def forward(self, x: Tensor, rotation: Rotation | None, bias: Tensor | None, cache: KeyValueCache | None) -> Tensor:
        """Map (B, T, H) to (B, T, H); rotation, bias and cache as in `Attention`."""
        y = self.attention(self.attention_norm(x), rotation, bias, cache)
        x = x + F.dropout(y, self.dropout, self.training)
        y = self.feed_forward(self.feed_forward_norm(x))
        return x + F.dropout(y, self.dropout, self.training)
