"""How completions are generated: three protocols that are the same for every model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nas.errors import UsageError
from nas.evaluate.code_prompts import prompt_uniforms
from nas.evaluate.metrics import SAMPLED
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.prompts import Prompt
from nas.inference.language_model import LanguageModel
from nas.model import SamplingSettings, generate

MIN_COMPLETION_TOKENS = 64
"""Tokens that max_seq_length must leave after a prompt; equal for all protocols, so that they use the same prompts."""
_BATCH_SIZE = 64
_NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class Protocol:
    """How a completion is decoded, and how long it may become."""

    name: str
    sampling: SamplingSettings
    max_tokens: int
    max_bytes: int | None = None
    """With a byte limit, that many tokens suffice: no token is empty."""


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("origin", SAMPLED, max_tokens=64),
        Protocol("greedy", SamplingSettings(temperature=0.0, top_p=1.0, top_k=0), max_tokens=64),
        Protocol("plain", SamplingSettings(temperature=1.0, top_p=1.0, top_k=0), max_tokens=200, max_bytes=200),
    )
}
"""`origin`: the protocol of the origin's report. `greedy`: the most likely token each time, where small models loop
first. `plain`: the model's own distribution, unfiltered, limited in bytes, so that vocabularies compare."""


@dataclass(frozen=True)
class GeneratedCompletions:
    """The completions of one model under one protocol."""

    completions: tuple[Completion, ...]
    num_cut_short: int
    """Completions that reached max_seq_length before the protocol's limit."""


def protocol_name(completion: Completion) -> str | None:
    """Return the protocol named by the completion's `mode` if its settings match; None for any other completion."""
    protocol = PROTOCOLS.get(completion.mode or "")
    if protocol is None:
        return None
    expected = (
        protocol.max_tokens,
        protocol.sampling.temperature,
        protocol.sampling.top_p,
        protocol.sampling.top_k,
    )
    actual = (completion.max_tokens, completion.temperature, completion.top_p, completion.top_k)
    return protocol.name if actual == expected else None


def prompts_that_fit(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts that leave room for MIN_COMPLETION_TOKENS; raise UsageError when none does."""
    length = model.model.config.max_seq_length
    if length <= MIN_COMPLETION_TOKENS:
        raise UsageError(
            f"a model with a max_seq_length of {length} tokens cannot write {MIN_COMPLETION_TOKENS} more after any "
            f"prompt; give one with a max_seq_length well above {MIN_COMPLETION_TOKENS}"
        )
    sizes = [len(model.vocabulary.encode(prompt.text)) for prompt in prompts]
    fitting = [prompt for prompt, size in zip(prompts, sizes, strict=True) if size + MIN_COMPLETION_TOKENS <= length]
    if not fitting:
        raise UsageError(
            f"max_seq_length {length} has no room for any prompt and {MIN_COMPLETION_TOKENS} tokens: the shortest "
            f"prompt has {min(sizes)}; give shorter --prompts or another model"
        )
    return fitting


def generate_completions(
    model: LanguageModel, prompts: Sequence[Prompt], protocol: Protocol, run_id: str, seed: int = 0
) -> GeneratedCompletions:
    """Complete each prompt with `model`.

    A prompt's random numbers depend only on its index and the seed, so its completion does not depend on the other
    prompts.
    """
    uniforms = prompt_uniforms(max(prompt.index for prompt in prompts) + 1, protocol.max_tokens, seed)
    completions: list[Completion] = []
    num_cut_short = 0
    for start in range(0, len(prompts), _BATCH_SIZE):
        batch = prompts[start : start + _BATCH_SIZE]
        started = time.perf_counter()
        encoded = [model.vocabulary.encode(prompt.text) for prompt in batch]
        generated = _generate(model, encoded, protocol, uniforms[[prompt.index for prompt in batch]])
        elapsed_sec = (time.perf_counter() - started) / len(batch)
        for prompt, prompt_ids, new_ids in zip(batch, encoded, generated, strict=True):
            text = model.vocabulary.decode(new_ids)
            is_full = len(new_ids) == protocol.max_tokens or len(text) >= (protocol.max_bytes or _NO_LIMIT)
            is_cut = not is_full and len(prompt_ids) + len(new_ids) == model.model.config.max_seq_length
            num_cut_short += is_cut
            completion = _completion(prompt, text, protocol, ended=not (is_full or is_cut))
            completions.append(completion.model_copy(update={"elapsed_sec": elapsed_sec, "run_id": run_id}))
    return GeneratedCompletions(tuple(completions), num_cut_short)


def _completion(prompt: Prompt, text: bytes, protocol: Protocol, *, ended: bool) -> Completion:
    return Completion(
        index=prompt.index,
        prompt=prompt.text,
        completion=text[: protocol.max_bytes].decode("utf-8", errors="replace"),
        mode=protocol.name,
        max_tokens=protocol.max_tokens,
        temperature=protocol.sampling.temperature,
        top_p=protocol.sampling.top_p,
        top_k=protocol.sampling.top_k,
        ended=ended,
    )


def _generate(
    model: LanguageModel, encoded: Sequence[Sequence[int]], protocol: Protocol, uniforms: torch.Tensor
) -> list[list[int]]:
    """Return the new ids of a batch; the width of uniforms (P, max_tokens) limits every row, also a greedy one."""
    return generate(
        model.model,
        encoded,
        protocol.sampling,
        uniforms=uniforms,
        token_bytes=torch.from_numpy(model.vocabulary.num_bytes).long(),
        byte_limit=protocol.max_bytes or _NO_LIMIT,
        eot_id=model.vocabulary.eot_id,
    )
