"""`run_trial`: one architecture in, one record out. Plain values both ways, so that it runs anywhere."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from nas.architecture import ArchitectureConfig
from nas.data import PreparedData
from nas.errors import CheckpointError, Collapsed, TrialFailure
from nas.files import write_text
from nas.fitness import fitness
from nas.model import Decoder
from nas.records import Cost, CurvePoint, Judgement, Measured, TrialRecord
from nas.space import Candidate
from nas.space_sections import EvaluationSection, TrainingSection
from nas.trial.audit.gate import refuse_leak_by_design, refuse_leak_by_result
from nas.trial.compressors import compressor_bpb
from nas.trial.judge import Completion, Verdict, judge
from nas.trial.numerics import Numerics
from nas.trial.recipe import Recipe, plan_recipe
from nas.trial.training import Training, memory_errors
from nas.trial.weights import load_weights, save_weights

_CURVE_POINTS = 20
MOST_SAMPLED_COLLAPSE = 0.9
"""A trial with a larger share of collapsed completions, sampled, is not ranked."""


@dataclass(frozen=True)
class TrialSettings:
    """What all trials of a study share."""

    training: TrainingSection
    evaluation: EvaluationSection
    prompt_bytes: int
    numerics: Numerics
    seed: int


@dataclass(frozen=True)
class TrialPaths:
    """Where a trial leaves what is too large for its record; None leaves it out."""

    weights: Path
    samples: Path | None


def run_trial(
    candidate: Candidate,
    data: PreparedData,
    settings: TrialSettings,
    paths: TrialPaths,
    *,
    number: int,
    reference: str | None = None,
) -> TrialRecord:
    """Train `candidate` for flops_per_trial, judge it on validation, write weights and samples.

    The record is the same for the same (candidate, data, settings), `measured` apart. A trial that
    diverges, does not fit memory, can read its answer or writes hardly anything comes back PRUNED with
    its reason; other errors are raised.
    """
    started_at, started = datetime.now(UTC), time.perf_counter()
    architecture = candidate.architecture
    recipe = trial_recipe(candidate, settings)
    ended = TrialRecord(
        number=number,
        state="PRUNED",
        reference=reference,
        architecture=architecture,
        vocabulary=candidate.vocabulary,
        lr_multiplier=candidate.lr_multiplier,
        learning_rate=recipe.learning_rate,
        seed=settings.seed,
    )
    if settings.numerics.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    try:
        with memory_errors():
            refuse_leak_by_design(Decoder(architecture, seed=recipe.seed).to(settings.numerics.device))
            model, curve, train_seconds = train_model(
                architecture, candidate.vocabulary, data, recipe, settings.numerics
            )
            vocabulary = data.vocabulary(candidate.vocabulary)
            verdict = judge(model, vocabulary, data, "validation", settings.evaluation, settings.prompt_bytes)
            text = data.evaluation_bytes("validation", settings.evaluation.validation_bytes)
            refuse_leak_by_result(verdict.judgement.bpb, architecture.num_params, compressor_bpb(text))
            refuse_collapse(verdict.judgement)
    except TrialFailure as failure:
        return ended.model_copy(update={"reason": str(failure)})
    save_weights(model, paths.weights)
    if paths.samples is not None:
        write_samples(verdict.completions, paths.samples)
    return ended.model_copy(
        update={
            "state": "COMPLETE",
            "fitness": fitness(
                verdict.judgement.bpb, verdict.judgement.collapse_rate, settings.evaluation.collapse_weight
            ),
            "val_bpb": verdict.judgement.bpb,
            "collapse_rate": verdict.judgement.collapse_rate,
            "validation": verdict.judgement,
            "cost": _cost(architecture, recipe, curve),
            "curve": tuple(curve),
            "measured": _measured(started_at, started, train_seconds, recipe, verdict, settings.numerics),
        }
    )


def refuse_collapse(judgement: Judgement) -> None:
    """Raise Collapsed where nearly all sampled completions are: no bits per byte make up for writing nothing.

    Greedy ones do not count here: small healthy models loop in most of those. One that was hardly trained writes
    blanks here and there, and is ranked.
    """
    if judgement.sampled_collapse_rate > MOST_SAMPLED_COLLAPSE:
        rules = ", ".join(f"{rule} {count}" for rule, count in judgement.collapse_rules["sampled"].items())
        raise Collapsed(
            f"collapsed: {judgement.sampled_collapse_rate:.0%} of {judgement.num_prompts} sampled completions "
            f"({rules}), allowed is {MOST_SAMPLED_COLLAPSE:.0%}; {judgement.bpb:.3f} bits per byte"
        )


def judge_holdout(record: TrialRecord, data: PreparedData, settings: TrialSettings, paths: TrialPaths) -> Verdict:
    """The verdict on a trained trial: its saved weights on the holdout split.

    Weights that are gone or damaged are trained again: the same settings give the same model.
    """
    try:
        model = load_weights(paths.weights)
    except CheckpointError:
        candidate = Candidate(record.architecture, record.vocabulary, record.lr_multiplier)
        run_trial(candidate, data, settings, paths, number=record.number, reference=record.reference)
        model = load_weights(paths.weights)
    model.to(settings.numerics.device)
    vocabulary = data.vocabulary(record.vocabulary)
    return judge(model, vocabulary, data, "holdout", settings.evaluation, settings.prompt_bytes)


def trial_recipe(candidate: Candidate, settings: TrialSettings) -> Recipe:
    """As many steps as flops_per_trial buys this architecture."""
    training = settings.training
    return plan_recipe(
        candidate.architecture,
        num_steps=training.num_steps(candidate.architecture),
        batch_tokens=training.batch_tokens,
        seq_length=training.max_seq_length,
        lr_multiplier=candidate.lr_multiplier,
        seed=settings.seed,
    )


def write_samples(completions: Sequence[Completion], path: Path) -> None:
    """One JSON object a line: index, prompt, completion, mode, rule."""
    write_text(path, "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in completions))


def train_model(
    architecture: ArchitectureConfig, vocabulary: str, data: PreparedData, recipe: Recipe, numerics: Numerics
) -> tuple[Decoder, list[CurvePoint], float]:
    """The trained model, its learning curve, and the seconds that training took."""
    started = time.perf_counter()
    training = Training(Decoder(architecture, seed=recipe.seed), data.tokens(vocabulary, "train"), recipe, numerics)
    flops_per_step = architecture.train_flops_per_token(recipe.seq_length) * recipe.batch_tokens
    facts = data.manifest
    bytes_per_token = facts["splits"]["train"]["bytes"] / facts["vocabularies"][vocabulary]["tokens"]["train"]
    bytes_per_step = bytes_per_token * recipe.batch_tokens
    curve = []
    for point in range(1, _CURVE_POINTS + 1):
        steps = round(point * recipe.num_steps / _CURVE_POINTS) - training.step
        if steps:
            loss = training.advance(steps)
            curve.append(
                CurvePoint(
                    train_flops=float(flops_per_step * training.step),
                    train_bytes=bytes_per_step * training.step,
                    train_loss=loss,
                )
            )
    return training.model, curve, time.perf_counter() - started


def _cost(architecture: ArchitectureConfig, recipe: Recipe, curve: Sequence[CurvePoint]) -> Cost:
    return Cost(
        num_params=architecture.num_params,
        non_embedding_params=architecture.non_embedding_params,
        train_flops_per_token=architecture.train_flops_per_token(recipe.seq_length),
        train_flops=curve[-1].train_flops,
        train_tokens=recipe.num_steps * recipe.batch_tokens,
        train_bytes=curve[-1].train_bytes,
        train_steps=recipe.num_steps,
    )


def _measured(
    started_at: datetime, started: float, train_seconds: float, recipe: Recipe, verdict: Verdict, numerics: Numerics
) -> Measured:
    return Measured(
        started=started_at.isoformat(timespec="seconds"),
        total_seconds=time.perf_counter() - started,
        train_seconds=train_seconds,
        evaluate_seconds=verdict.evaluate_seconds,
        generate_seconds=verdict.generate_seconds,
        train_tokens_per_second=recipe.num_steps * recipe.batch_tokens / train_seconds,
        decode_ms_per_token=verdict.decode_ms_per_token,
        peak_memory_bytes=_peak_memory_bytes(numerics),
    )


def _peak_memory_bytes(numerics: Numerics) -> int:
    if numerics.device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
