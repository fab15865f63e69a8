"""How the next token is drawn from the logits.

P prompts (rows), V vocab.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nas.errors import UsageError


@dataclass(frozen=True)
class SamplingSettings:
    """Temperature and filters of a draw. The filters apply in the order of the fields."""

    temperature: float = 0.8
    """Divides the logits; 0 is greedy: the most likely token, the lowest id among equals."""
    top_p: float = 0.9
    """Keep the smallest set of most probable tokens that holds this share of what top_k kept; 1 keeps all."""
    top_k: int = 40
    """Keep this many of the most probable tokens; 0 keeps all."""

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise UsageError(f"temperature must be 0 (greedy) or more, found {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p must be above 0 and at most 1, found {self.top_p}")
        if self.top_k < 0:
            raise UsageError(f"top_k must be 0 (all tokens) or more, found {self.top_k}")

    @property
    def is_greedy(self) -> bool:
        return self.temperature == 0


GREEDY = SamplingSettings(temperature=0.0)


def sample(logits: Tensor, settings: SamplingSettings, uniforms: Tensor) -> Tensor:
    """Return one token id per row, (P,) int64, by inverse CDF of (P, V) logits at (P,) uniforms in [0, 1).

    Tokens are sorted by falling probability, so equal logits and an equal uniform give an equal token.
    Probabilities are float64. The most probable token always stays.
    """
    top_k = min(settings.top_k or logits.shape[1], logits.shape[1])
    candidates, ids = logits.topk(top_k, dim=1)
    probabilities = torch.softmax(candidates.double() / settings.temperature, dim=1)
    mass = probabilities.cumsum(dim=1)
    # A token stays while the mass before it is still short of top_p.
    kept = ((mass - probabilities) < settings.top_p).sum(dim=1, keepdim=True)
    total = mass.gather(1, kept - 1)
    chosen = (mass <= uniforms.double()[:, None] * total).sum(dim=1, keepdim=True)
    # Rounding may make uniform x total equal to the total.
    return ids.gather(1, torch.minimum(chosen, kept - 1)).squeeze(1)
