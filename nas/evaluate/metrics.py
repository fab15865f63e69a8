"""Judging a trained model on one split: bits per byte, then what it generates and whether that collapses."""

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
from nas.records.study import Metrics
from nas.space.sections import EvaluationSection
from nas.tokenizer.vocabulary import Vocabulary

SAMPLED = SamplingSettings(temperature=0.8, top_p=0.9, top_k=40)
DECODINGS = {"sampled": SAMPLED, "greedy": GREEDY}
# Bytes of key/value cache held at once; more prompts than fit go in turns, with the same result.
_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Completion:
    """One prompt, what followed, and the rule that calls it collapsed."""

    index: int
    prompt: str
    completion: str
    mode: str
    """`sampled` or `greedy`."""
    rule: str | None


@dataclass(frozen=True)
class Evaluation:
    """A metrics, the completions behind it, and how long each half took."""

    metrics: Metrics
    completions: tuple[Completion, ...]
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
    """Judge `model` on `split` (`validation` or `holdout`) with the prompts and random numbers all trials get."""
    started = time.perf_counter()
    documents = data.evaluation_documents(split, settings.validation_bytes)
    novel = data.novel_bytes(split, settings.validation_bytes)
    likelihood = measure_with_novel(model, vocabulary, vocabulary.encode_documents(documents), novel)
    evaluated = time.perf_counter()
    prompts = evaluation_prompts(data, split, settings, prompt_bytes)
    completions: list[Completion] = []
    tokens = 0
    for mode, sampling in DECODINGS.items():
        texts, longest = complete(model, vocabulary, prompts, sampling, settings.completion_bytes)
        tokens += longest * len(prompts)
        completions += [
            Completion(index, prompt, text, mode, rule_within(text, prompt, settings.completion_bytes))
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
        sampled_collapse_rate=_rate(completions, "sampled"),
        greedy_collapse_rate=_rate(completions, "greedy"),
        collapse_rules={mode: _rules(completions, mode) for mode in DECODINGS},
    )
    return Evaluation(
        metrics=metrics,
        completions=tuple(completions),
        evaluate_seconds=evaluated - started,
        generate_seconds=ended - evaluated,
        decode_ms_per_token=1000 * (ended - evaluated) / max(tokens, 1),
    )


def evaluation_prompts(data: PreparedData, split: str, settings: EvaluationSection, prompt_bytes: int) -> list[str]:
    """The prompts of a split. Asked for before training too: CorpusError when the text has too few."""
    return cut_prompts(data.documents(split), settings.num_prompts, prompt_bytes, settings.completion_bytes)


def available_prompts(data: PreparedData, split: str, settings: EvaluationSection, prompt_bytes: int) -> list[str]:
    """As `evaluation_prompts`, or as many as there are."""
    return cut_available_prompts(data.documents(split), settings.num_prompts, prompt_bytes, settings.completion_bytes)


def complete(
    model: Decoder, vocabulary: Vocabulary, prompts: Sequence[str], sampling: SamplingSettings, completion_bytes: int
) -> tuple[list[str], int]:
    """The completion of each prompt, at most `completion_bytes` bytes, and the tokens of the longest one.

    A completion ends early where the model generates end-of-text. Bytes that are no UTF-8 (a character
    cut in half among them) become U+FFFD.
    """
    encoded = [vocabulary.encode(prompt) for prompt in prompts]
    uniforms = prompt_uniforms(len(prompts), completion_bytes)
    config = model.config
    per_row = 8 * config.num_layers * config.kv_dim * config.max_seq_length
    rows = max(1, _CACHE_BYTES // per_row)
    token_bytes = torch.from_numpy(vocabulary.num_bytes).long()
    generated: list[list[int]] = []
    for start in range(0, len(encoded), rows):
        generated += generate(
            model,
            encoded[start : start + rows],
            sampling,
            uniforms=uniforms[start : start + rows],
            token_bytes=token_bytes,
            byte_limit=completion_bytes,
            eot_id=vocabulary.eot_id,
        )
    texts = [vocabulary.decode(ids)[:completion_bytes].decode("utf-8", errors="replace") for ids in generated]
    return texts, max(map(len, generated))


def rule_within(text: str, prompt: str, num_bytes: int) -> str | None:
    """The detector's rule on a completion of at most `num_bytes` bytes: a shorter one was ended by the model."""
    return collapse_rule(text, prompt, ended=len(text.encode()) < num_bytes)


def _rate(completions: Sequence[Completion], mode: str) -> float:
    rules = [one.rule for one in completions if one.mode == mode]
    return sum(rule is not None for rule in rules) / len(rules)


def _rules(completions: Sequence[Completion], mode: str) -> dict[str, int]:
    counts = Counter(one.rule for one in completions if one.mode == mode and one.rule is not None)
    return dict(sorted((str(rule), count) for rule, count in counts.items()))
