"""The measurements of one case: train it, audit it, and evaluate what it writes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict

from experiments.origin_collapse.cases import SEQ_LENGTH, Case
from experiments.origin_collapse.unmasked import UnmaskedDecoder
from experiments.results_file import ResultsFile, read_results
from nas.audit.audited_model import AuditedModel
from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.audit.plausibility import check_plausibility
from nas.data.prepared import PreparedData
from nas.evaluate.collapse import DETECTOR_VERSION
from nas.evaluate.compressors import compressor_bpb
from nas.evaluate.metrics import SAMPLED
from nas.evaluate.quality.completion_quality import CompletionQuality
from nas.evaluate.quality.prompts import ONE_LINE_PROMPTS_VERSION, choose_prompts
from nas.evaluate.quality.protocols import Protocol, generate_completions
from nas.evaluate.quality.report import quality_report
from nas.inference.bits_per_byte import EVALUATION_VERSION, measure_likelihood
from nas.inference.language_model import LanguageModel
from nas.model import GREEDY, Decoder, SamplingSettings
from nas.model.linear import Linear
from nas.training.numerics import Numerics
from nas.training.recipe import plan_recipe
from nas.training.trainer import Trainer

BATCH_SEQUENCES = 4
NEW_TOKENS = 64
VALIDATION_BYTES = 131_072
MAX_SUMMED = 4096
"""Probabilities are summed over vocabularies of at most so many tokens: the cost grows with the square of it."""
ORIGIN_SAMPLING, GREEDY_SAMPLING = "T 0.8, top-p 0.9, top-k 40", "greedy"
SAMPLINGS = {
    ORIGIN_SAMPLING: SAMPLED,
    "T 1, nothing cut off": SamplingSettings(temperature=1.0, top_p=1.0, top_k=0),
    "T 0.5, top-k 40": SamplingSettings(temperature=0.5, top_p=1.0, top_k=40),
    GREEDY_SAMPLING: GREEDY,
}
FULLY_SAMPLED_CASE = "mask"
"""The case that is sampled in all of SAMPLINGS; the others only in the origin's way and greedily."""


class CaseResult(BaseModel):
    """One line of the file: a case, how it was trained, and all that the tables say of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str
    settings: dict[str, Any]
    """The fields of the Case."""
    num_params: int
    vocab_size: int
    num_steps: int
    tokens_per_second: int
    perplexity: float
    bpb: float
    audit: dict[str, str]
    """Check -> outcome."""
    failure_rate_after_colon: float
    samplings: dict[str, dict[str, Any]]
    """Name of the sampling -> the report of `nas.evaluate`."""
    seconds: float


def read_cases(path: Path) -> dict[str, CaseResult]:
    """Return the cases of the file by name; StudyError when a line is damaged."""
    return read_results(path, CaseResult, _case)


def open_cases(path: Path, data: PreparedData, command: str) -> ResultsFile[CaseResult]:
    """Open or begin the file; StudyMismatch when it is of another corpus, other versions or other settings."""
    identity = {
        "corpus": data.corpus_hash,
        "versions": {
            "detector": DETECTOR_VERSION,
            "prompts": ONE_LINE_PROMPTS_VERSION,
            "evaluation": EVALUATION_VERSION,
        },
        "batch_sequences": BATCH_SEQUENCES,
        "new_tokens": NEW_TOKENS,
        "validation_bytes": VALIDATION_BYTES,
    }
    return ResultsFile(path, CaseResult, _case, identity=identity, command=command, num_workers=1)


def measure(case: Case, data: PreparedData, numerics: Numerics) -> CaseResult:
    """Train a case, audit the model, and evaluate its completions of the one-line prompts."""
    started = time.perf_counter()
    vocabulary = data.vocabulary(case.vocabulary)
    architecture = case.architecture(vocabulary.size)
    model, num_steps, train_seconds = _train(case, data, numerics)
    documents = data.evaluation_documents("validation", VALIDATION_BYTES)
    text = data.evaluation_bytes("validation", VALIDATION_BYTES)
    likelihood = measure_likelihood(
        model, vocabulary.encode_documents(documents), vocabulary.eot_id, len(text), SEQ_LENGTH
    )
    language_model = LanguageModel(model, vocabulary)
    completions = {
        name: _evaluated_completions(language_model, name, sampling)
        for name, sampling in SAMPLINGS.items()
        if case.name == FULLY_SAMPLED_CASE or name in (ORIGIN_SAMPLING, GREEDY_SAMPLING)
    }
    return CaseResult(
        case=case.name,
        settings=asdict(case),
        num_params=architecture.num_params,
        vocab_size=vocabulary.size,
        num_steps=num_steps,
        tokens_per_second=round(num_steps * BATCH_SEQUENCES * SEQ_LENGTH / train_seconds),
        perplexity=round(likelihood.perplexity, 4),
        bpb=round(likelihood.bpb, 4),
        audit=_audit(model, likelihood.bpb, text),
        failure_rate_after_colon=_failure_rate_after_colon(completions[ORIGIN_SAMPLING]),
        samplings={
            name: quality_report(written, case.name).model_dump(mode="json") for name, written in completions.items()
        },
        seconds=round(time.perf_counter() - started, 1),
    )


def _train(case: Case, data: PreparedData, numerics: Numerics) -> tuple[Decoder, int, float]:
    """Return the trained model, its number of steps and the seconds that they took."""
    architecture = case.architecture(data.vocabulary(case.vocabulary).size)
    batch_tokens = BATCH_SEQUENCES * SEQ_LENGTH
    num_steps = max(1, int(case.flops / (architecture.train_flops_per_token() * batch_tokens)))
    recipe = plan_recipe(architecture, num_steps=num_steps, batch_tokens=batch_tokens, seq_length=SEQ_LENGTH)
    tokens = data.tokens(case.vocabulary, "train")
    model = (Decoder if case.is_masked else UnmaskedDecoder)(architecture)
    _initialise_as_torch(model)
    trainer = Trainer(model, tokens[: int(case.data_share * len(tokens))], recipe, numerics)
    started = time.perf_counter()
    trainer.advance(num_steps)
    return trainer.model, num_steps, time.perf_counter() - started


def _initialise_as_torch(model: Decoder) -> None:
    """Draw initial weights by torch's own defaults, as in the origin's plain code.

    Embeddings have variance one, other matrices are uniform (He et al. 2015, the default of nn.Linear). A state is then
    mostly its own token, which is easy to copy.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.nn.init.normal_(model.embedding.weight)
        for module in model.modules():
            if isinstance(module, Linear):
                torch.nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))


def _audit(model: Decoder, bpb: float, text: bytes) -> dict[str, str]:
    """Return check -> outcome; no check sees the findings of another."""
    subject = AuditedModel(model, model.config.vocab_size, model.config.max_seq_length)
    findings = [
        check_future_tokens(subject, lengths=(2, 8, 33), max_cuts=4),
        check_gradients(subject),
        *([check_probabilities(subject, length=3)] if subject.vocab_size <= MAX_SUMMED else []),
        check_plausibility(bpb, model.config.num_params, compressor_bpb(text)),
    ]
    return {finding.check: finding.outcome for finding in findings}


def _evaluated_completions(model: LanguageModel, name: str, sampling: SamplingSettings) -> list[CompletionQuality]:
    """Return what `nas.evaluate` says of the completion of each one-line prompt."""
    protocol = Protocol(name, sampling, max_tokens=NEW_TOKENS)
    written = generate_completions(model, choose_prompts(None, None), protocol, run_id=name)
    return [CompletionQuality.measure(completion) for completion in written.completions]


def _failure_rate_after_colon(completions: Sequence[CompletionQuality]) -> float:
    """Return the origin's failures among prompts that end in a colon, as most of its own did."""
    failures = [
        completion.is_origin_failure for completion in completions if (completion.completion.prompt or "").endswith(":")
    ]
    return sum(failures) / len(failures)


def _case(result: CaseResult) -> str:
    return result.case
