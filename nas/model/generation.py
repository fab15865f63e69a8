"""Continuing many prompts at once, exactly as each would be continued alone.

P prompts (rows), T time, S positions in all, V vocab, C candidates that pass top-k.

Rows are aligned at position 0 and never padded: all read their first tokens in one pass, up to the end of the
shortest prompt, and then go on token by token. While a row's own prompt lasts, its next token is taken from
there; after that it is sampled. So there are no masks and no position offsets, and a row does not depend on
the rows beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.errors import UsageError
from nas.model.decoder import Decoder


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is drawn from the logits. All filters apply in the order of the fields."""

    temperature: float = 0.8
    """Divides the logits; 0 is greedy: the most likely token, the lowest id among equals."""
    top_p: float = 0.9
    """Keep the smallest set of likeliest tokens that holds this share of what top_k left; 1 keeps all."""
    top_k: int = 40
    """Keep this many likeliest tokens; 0 keeps all."""

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
    """One token id a row, by inverse CDF: (P, V) logits and (P,) uniforms in [0, 1) to (P,) int64.

    Tokens stand in order of falling probability, so equal logits and an equal uniform give an equal token.
    Probabilities are float64. The likeliest token always stays.
    """
    top_k = min(settings.top_k or logits.shape[1], logits.shape[1])
    candidates, ids = logits.topk(top_k, dim=1)
    probabilities = torch.softmax(candidates.double() / settings.temperature, dim=1)
    mass = probabilities.cumsum(dim=1)
    # A token stays while the mass before it is still short of top_p.
    kept = ((mass - probabilities) < settings.top_p).sum(dim=1, keepdim=True)
    total = mass.gather(1, kept - 1)
    chosen = (mass <= uniforms.double()[:, None] * total).sum(dim=1, keepdim=True)
    # Rounding may put uniform x total on the total itself.
    return ids.gather(1, torch.minimum(chosen, kept - 1)).squeeze(1)


def generate(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    settings: SamplingSettings,
    *,
    uniforms: Tensor | None,
    token_bytes: Tensor,
    byte_limit: int,
    eot_id: int,
    max_length: int | None = None,
) -> list[list[int]]:
    """The new token ids of each prompt, prompts and the end-of-text token left out.

    A row ends when its completion holds `byte_limit` bytes by `token_bytes` (V,), when it draws `eot_id`, when
    prompt and completion reach `max_length` tokens (default and at most the model's max_seq_length), or when
    its uniforms are used up. `uniforms` (P, J) in [0, 1), not needed when greedy: a row's j-th new token is
    drawn with uniforms[row, j], whatever its prompt's length and its neighbours, so that two models, or one
    model in two batches, can be compared on the same random numbers.
    """
    assert settings.is_greedy or uniforms is not None, "sampling needs uniforms"
    if not prompts or byte_limit <= 0:
        return [[] for _ in prompts]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return _generate(model, prompts, settings, uniforms, token_bytes, byte_limit, eot_id, max_length)
    finally:
        model.train(was_training)


def _generate(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    settings: SamplingSettings,
    uniforms: Tensor | None,
    token_bytes: Tensor,
    byte_limit: int,
    eot_id: int,
    max_length: int | None,
) -> list[list[int]]:
    device = model.embedding.weight.device
    starts = torch.tensor([len(prompt) for prompt in prompts], device=device)
    limit = min(max_length or model.config.max_seq_length, model.config.max_seq_length)
    shortest, longest = int(starts.min()), int(starts.max())
    assert shortest >= 1 and longest <= limit, f"prompts of {shortest} to {longest} tokens, allowed are 1 to {limit}"
    token_bytes = token_bytes.to(device)

    stops = torch.full_like(starts, limit)
    if uniforms is not None:
        assert uniforms.shape[0] == len(prompts), f"{uniforms.shape[0]} rows of uniforms, {len(prompts)} prompts"
        uniforms = uniforms.to(device)
        stops = stops.clamp(max=starts + uniforms.shape[1])
    tokens = torch.zeros((len(prompts), int(stops.max())), dtype=torch.int64, device=device)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)

    cache = model.new_cache(*tokens.shape)
    room = torch.full_like(starts, byte_limit)
    new = tokens[:, :shortest]
    for position in range(shortest, tokens.shape[1]):
        logits = model.unembed(model.hidden(new, cache)[:, -1])
        if settings.is_greedy or uniforms is None:
            drawn = logits.argmax(dim=1)
        else:
            index = (position - starts).clamp(0, uniforms.shape[1] - 1)
            drawn = sample(logits, settings, uniforms.gather(1, index[:, None]).squeeze(1))
        is_new = starts <= position
        token = torch.where(is_new, drawn, tokens[:, position])
        tokens[:, position] = token
        # `stops` only ever falls, so a row that ended keeps its end while it is computed along.
        room -= token_bytes[token] * is_new
        stops = torch.where(is_new & (room <= 0), stops.clamp(max=position + 1), stops)
        stops = torch.where(is_new & (token == eot_id), stops.clamp(max=position), stops)
        if int(stops.max()) <= position + 1:
            break
        new = token[:, None]
    return [
        row[start:stop].tolist() for row, start, stop in zip(tokens.cpu(), starts.tolist(), stops.tolist(), strict=True)
    ]
