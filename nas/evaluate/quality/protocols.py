"""How completions are asked for: three protocols that every model is put through alike."""

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

MIN_ROOM = 64
"""Tokens that max_seq_length must leave after a prompt; the same for every protocol, so that prompts are."""
_ROWS = 64
_NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class Protocol:
    """Decoding, and how much is written."""

    name: str
    sampling: SamplingSettings
    max_tokens: int
    max_bytes: int | None = None
    """Where bytes are the limit too, as many tokens are enough: no token is empty."""


_ALL = (
    Protocol("origin", SAMPLED, max_tokens=64),
    Protocol("greedy", SamplingSettings(temperature=0.0, top_p=1.0, top_k=0), max_tokens=64),
    Protocol("plain", SamplingSettings(temperature=1.0, top_p=1.0, top_k=0), max_tokens=200, max_bytes=200),
)
PROTOCOLS = {one.name: one for one in _ALL}
"""`origin`: that of the origin's report. `greedy`: the likeliest token each time, where small models loop first.
`plain`: the model's own distribution, unfiltered, in bytes, so that vocabularies compare."""


def protocol_of(completion: Completion) -> str | None:
    """The protocol of ours that a completion names as its `mode` and was written under; None for any other."""
    named = PROTOCOLS.get(completion.mode or "")
    if named is None:
        return None
    ours = (named.max_tokens, named.sampling.temperature, named.sampling.top_p, named.sampling.top_k)
    theirs = (completion.max_tokens, completion.temperature, completion.top_p, completion.top_k)
    return named.name if theirs == ours else None


@dataclass(frozen=True)
class GeneratedCompletions:
    """The completions of one model under one protocol."""

    completions: tuple[Completion, ...]
    num_cut_short: int
    """Those that reached max_seq_length before the protocol's limit."""


def prompts_that_fit(model: LanguageModel, prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts after which max_seq_length has MIN_ROOM; UsageError when there are none."""
    length = model.model.config.max_seq_length
    if length <= MIN_ROOM:
        raise UsageError(
            f"a model that reads {length} tokens (max_seq_length) cannot write {MIN_ROOM} more after any prompt; "
            f"give one with a max_seq_length well above {MIN_ROOM}"
        )
    sizes = [len(model.vocabulary.encode(one.text)) for one in prompts]
    fitting = [one for one, size in zip(prompts, sizes, strict=True) if size + MIN_ROOM <= length]
    if not fitting:
        raise UsageError(
            f"max_seq_length {length} has no room for any prompt and {MIN_ROOM} tokens: the shortest takes "
            f"{min(sizes)}; give shorter --prompts or another model"
        )
    return fitting


def write(
    model: LanguageModel, prompts: Sequence[Prompt], protocol: Protocol, run_id: str, seed: int = 0
) -> GeneratedCompletions:
    """What `model` writes after each prompt.

    A prompt's random numbers depend on its index and the seed alone, so its completion does not depend on the prompts
    beside it.
    """
    uniforms = prompt_uniforms(max(one.index for one in prompts) + 1, protocol.max_tokens, seed)
    written: list[Completion] = []
    num_cut_short = 0
    for start in range(0, len(prompts), _ROWS):
        batch = prompts[start : start + _ROWS]
        started = time.perf_counter()
        encoded = [model.vocabulary.encode(one.text) for one in batch]
        generated = _generate(model, encoded, protocol, uniforms[[one.index for one in batch]])
        elapsed_sec = (time.perf_counter() - started) / len(batch)
        for prompt, ids, new in zip(batch, encoded, generated, strict=True):
            text = model.vocabulary.decode(new)
            is_full = len(new) == protocol.max_tokens or len(text) >= (protocol.max_bytes or _NO_LIMIT)
            is_cut = not is_full and len(ids) + len(new) == model.model.config.max_seq_length
            num_cut_short += is_cut
            one = _completion(prompt, text, protocol, ended=not (is_full or is_cut))
            written.append(one.model_copy(update={"elapsed_sec": elapsed_sec, "run_id": run_id}))
    return GeneratedCompletions(tuple(written), num_cut_short)


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
    """The new ids of a batch; that uniforms (P, max_tokens) are used up ends a row, a greedy one too."""
    return generate(
        model.model,
        encoded,
        protocol.sampling,
        uniforms=uniforms,
        token_bytes=torch.from_numpy(model.vocabulary.num_bytes).long(),
        byte_limit=protocol.max_bytes or _NO_LIMIT,
        eot_id=model.vocabulary.eot_id,
    )
