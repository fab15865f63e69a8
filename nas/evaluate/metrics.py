"""Metrics of a trained model on one split: bits per byte, and how many of its completions collapse."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nas.data.prepared import PreparedData
from nas.evaluate.code_prompts import cut_available_prompts, cut_prompts, prompt_uniforms
from nas.evaluate.collapse import collapse_rule
from nas.inference.bits_per_byte import measure_with_novel
from nas.model import GREEDY, Decoder, SamplingSettings, generate
from nas.records.trial import Metrics
from nas.space.sections import EvaluationSection
from nas.tokenizer.vocabulary import Vocabulary

SAMPLED = SamplingSettings(temperature=0.8, top_p=0.9, top_k=40)
DECODINGS = {"sampled": SAMPLED, "greedy": GREEDY}
# Bytes of key/value cache held at once; more prompts than fit are completed in turns, with the same result.
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class EvaluatedCompletion:
    """A prompt, its completion and the rule by which it collapsed; the fields are the keys of samples.jsonl."""

    index: int
    prompt: str
    completion: str
    mode: str
    """`sampled` or `greedy`."""
    rule: str | None
    """None for a healthy completion."""


@dataclass(frozen=True)
class Evaluation:
    """The metrics of a model, the completions behind them, and how long each half took."""

    metrics: Metrics
    completions: tuple[EvaluatedCompletion, ...]
    evaluate_seconds: float
    generate_seconds: float
    decode_ms_per_token: float


def evaluate(
    model: Decoder,
    vocabulary: Vocabulary,
    data: PreparedData,
    split: str,
    settings: EvaluationSection,
    prompt_bytes: int,
) -> Evaluation:
    """Evaluate `model` on `split` (`validation` or `holdout`) with the prompts and random numbers of all trials."""
    started = time.perf_counter()
    documents = data.evaluation_documents(split, settings.validation_bytes)
    novel = data.novel_bytes(split, settings.validation_bytes)
    likelihood = measure_with_novel(model, vocabulary, vocabulary.encode_documents(documents), novel)
    evaluated = time.perf_counter()
    prompts = evaluation_prompts(data, split, settings, prompt_bytes)
    completions: list[EvaluatedCompletion] = []
    num_tokens = 0
    for mode, sampling in DECODINGS.items():
        texts, max_tokens = complete(model, vocabulary, prompts, sampling, settings.completion_bytes)
        num_tokens += max_tokens * len(prompts)
        completions += [
            EvaluatedCompletion(
                index, prompt, text, mode, limited_collapse_rule(text, prompt, settings.completion_bytes)
            )
            for index, (prompt, text) in enumerate(zip(prompts, texts, strict=True))
        ]
    ended = time.perf_counter()
    metrics = Metrics(
        bpb=likelihood.bpb,
        perplexity=likelihood.perplexity,
        num_bytes=likelihood.num_bytes,
        novel_bpb=likelihood.novel_bpb,
        novel_num_bytes=likelihood.novel_num_bytes,
        num_prompts=len(prompts),
        sampled_collapse_rate=_collapse_rate(completions, "sampled"),
        greedy_collapse_rate=_collapse_rate(completions, "greedy"),
        collapse_rules={mode: _rule_counts(completions, mode) for mode in DECODINGS},
    )
    return Evaluation(
        metrics=metrics,
        completions=tuple(completions),
        evaluate_seconds=evaluated - started,
        generate_seconds=ended - evaluated,
        decode_ms_per_token=1000 * (ended - evaluated) / max(num_tokens, 1),
    )


def evaluation_prompts(data: PreparedData, split: str, settings: EvaluationSection, prompt_bytes: int) -> list[str]:
    """Return the prompts of a split.

    Raises CorpusError when its text has too few; commands call it before they train, to fail early.
    """
    return cut_prompts(data.documents(split), settings.num_prompts, prompt_bytes, settings.completion_bytes)


def num_available_prompts(data: PreparedData, split: str, settings: EvaluationSection, prompt_bytes: int) -> int:
    """Return how many of the prompts in `settings` the split has."""
    documents, completion_bytes = data.documents(split), settings.completion_bytes
    return len(cut_available_prompts(documents, settings.num_prompts, prompt_bytes, completion_bytes))


def complete(
    model: Decoder, vocabulary: Vocabulary, prompts: Sequence[str], sampling: SamplingSettings, completion_bytes: int
) -> tuple[list[str], int]:
    """Return the completion of each prompt, at most `completion_bytes` bytes, and the tokens of the longest one.

    A completion ends early where the model generates end-of-text. Bytes that are not UTF-8 (such as a character
    cut in half) become U+FFFD.
    """
    encoded = [vocabulary.encode(prompt) for prompt in prompts]
    uniforms = prompt_uniforms(len(prompts), completion_bytes)
    config = model.config
    bytes_per_row = 8 * config.num_layers * config.kv_dim * config.max_seq_length
    num_rows = max(1, _CACHE_BYTES // bytes_per_row)
    token_bytes = torch.from_numpy(vocabulary.num_bytes).long()
    generated: list[list[int]] = []
    for start in range(0, len(encoded), num_rows):
        generated += generate(
            model,
            encoded[start : start + num_rows],
            sampling,
            uniforms=uniforms[start : start + num_rows],
            token_bytes=token_bytes,
            byte_limit=completion_bytes,
            eot_id=vocabulary.eot_id,
        )
    texts = [vocabulary.decode(ids)[:completion_bytes].decode("utf-8", errors="replace") for ids in generated]
    return texts, max(map(len, generated))


def limited_collapse_rule(completion: str, prompt: str, byte_limit: int) -> str | None:
    """Return the detector's rule for a completion limited to `byte_limit` bytes; the model ended a shorter one."""
    return collapse_rule(completion, prompt, ended=len(completion.encode()) < byte_limit)


def _collapse_rate(completions: Sequence[EvaluatedCompletion], mode: str) -> float:
    rules = [completion.rule for completion in completions if completion.mode == mode]
    return sum(rule is not None for rule in rules) / len(rules)


def _rule_counts(completions: Sequence[EvaluatedCompletion], mode: str) -> dict[str, int]:
    counts = Counter(
        completion.rule for completion in completions if completion.mode == mode and completion.rule is not None
    )
    return dict(sorted(counts.items()))
