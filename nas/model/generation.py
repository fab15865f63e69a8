"""Continuation of many prompts at once, each exactly as it would be continued alone.

P prompts, V vocab, J new tokens of a prompt, R rows: the prompts being continued at a time.

All rows have read the same number of tokens, so there are no masks and no position offsets, and a row does not
depend on the other rows. The shortest prompts are read first; each of the others is read in one pass when the rows
have reached its length, and joins them. A row that has ended is removed, and the last row moves into its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from nas.model.cache import KeyValueCache
from nas.model.decoder import Decoder
from nas.model.packed_weights import packed_weights
from nas.model.sampling import SamplingSettings, sample


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
    """Return the new token ids of each prompt, without the prompt and the end-of-text token.

    A row ends when its completion holds `byte_limit` bytes by `token_bytes` (V,), when it draws `eot_id`, when
    prompt and completion reach `max_length` tokens (default and at most the model's max_seq_length), or when
    its uniforms are used up. `uniforms` (P, J) in [0, 1) are not needed when greedy. The j-th new token of a row is
    drawn with uniforms[row, j], independent of its prompt's length and of the other rows, so that two models, or
    one model in two batches, can be compared on the same random numbers.
    """
    completions: list[list[int]] = [[] for _ in prompts]
    for rows, drawn in _steps(model, prompts, settings, uniforms, token_bytes, byte_limit, eot_id, max_length):
        for row, token in zip(rows.tolist(), drawn.tolist(), strict=True):
            if token != eot_id:
                completions[row].append(token)
    return completions


def stream_tokens(
    model: Decoder,
    prompt: Sequence[int],
    settings: SamplingSettings,
    *,
    uniforms: Tensor | None,
    token_bytes: Tensor,
    byte_limit: int,
    eot_id: int,
    max_length: int | None = None,
) -> Generator[int, None, None]:
    """Yield the new token ids of one prompt as they are drawn.

    They are those of `generate` with the same `uniforms`, here (J,). The weights must not change until the generator
    is exhausted or closed.
    """
    numbers = None if uniforms is None else uniforms[None]
    for _, drawn in _steps(model, [prompt], settings, numbers, token_bytes, byte_limit, eot_id, max_length):
        if (token := int(drawn)) != eot_id:
            yield token


@torch.inference_mode()
def _steps(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    settings: SamplingSettings,
    uniforms: Tensor | None,
    token_bytes: Tensor,
    byte_limit: int,
    eot_id: int,
    max_length: int | None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield for each step the prompts being continued (R,) and their next tokens (R,), end of text included.

    `inference_mode` is a decorator here: unlike in a `with`, it is off while the consumer computes.
    """
    assert settings.is_greedy or uniforms is not None, "sampling needs uniforms"
    if not prompts or byte_limit <= 0:
        return
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
    waiting = defaultdict(list)
    for number, prompt in enumerate(prompts):
        tokens[number, : len(prompt)] = torch.tensor(prompt)
        if stops[number] > len(prompt):
            waiting[len(prompt)].append(number)

    cache = model.new_cache(*tokens.shape)
    room = torch.full_like(starts, min(byte_limit, torch.iinfo(torch.int64).max))
    rows, position = starts.new_empty(0), 0  # the prompt in each row of the cache; the tokens that all have read
    with _generating(model):
        while waiting or len(rows):
            position = position if len(rows) else min(waiting)
            joining = starts.new_tensor(waiting.pop(position, []))
            states = _read(model, cache, tokens, rows, joining, position)
            rows = torch.cat((rows, joining))
            logits = model.unembed(states)
            if settings.is_greedy or uniforms is None:
                token = logits.argmax(dim=1)
            else:
                token = sample(logits, settings, uniforms[rows, position - starts[rows]])
            yield rows, token
            tokens[rows, position] = token
            room[rows] -= token_bytes[token]
            position += 1
            rows = _remove_ended(rows, (token == eot_id) | (room[rows] <= 0) | (stops[rows] <= position), cache)


@contextmanager
def _generating(model: Decoder) -> Iterator[None]:
    """Turn dropout off and pack the weights inside the block."""
    was_training = model.training
    model.eval()
    try:
        with packed_weights(model):
            yield
    finally:
        model.train(was_training)


def _read(
    model: Decoder, cache: Sequence[KeyValueCache], tokens: Tensor, rows: Tensor, joining: Tensor, position: int
) -> Tensor:
    """Return the last states (R, H): of `rows`, which read their newest token, then of `joining`, which read all."""
    states, num_rows = [], len(rows)
    if num_rows:
        read = [layer.rows(0, num_rows, filled=position - 1) for layer in cache]
        states.append(model.hidden(tokens[rows, position - 1, None], read)[:, -1])
    if len(joining):
        unread = [layer.rows(num_rows, num_rows + len(joining), filled=0) for layer in cache]
        states.append(model.hidden(tokens[joining, :position], unread)[:, -1])
    return torch.cat(states)


def _remove_ended(rows: Tensor, is_ended: Tensor, cache: Sequence[KeyValueCache]) -> Tensor:
    """Return the rows that continue; the last of them, with their cached tokens, replace those that ended."""
    count = len(rows) - int(is_ended.sum())
    if count == len(rows):
        return rows
    free = is_ended[:count].nonzero().squeeze(1)
    last = count + (~is_ended[count:]).nonzero().squeeze(1)
    if len(free):
        for layer in cache:
            layer.move(last, free)
        rows[free] = rows[last]
    return rows[:count]
