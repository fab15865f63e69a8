"""One trial: train a candidate under a FLOP budget, evaluate it on validation, and return its record.

Arguments and results are plain values, so that a trial runs in any process on any machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from nas.audit.gate import refuse_leak_by_design, refuse_leak_by_result
from nas.data.prepared import PreparedData
from nas.errors import Collapsed, Diverged, Leak, OutOfMemory, TrialFailure
from nas.evaluate.compressors import compressor_bpb
from nas.evaluate.metrics import EvaluatedCompletion, Evaluation, evaluate
from nas.model import Decoder
from nas.records.trial import Metrics, TrialEnd, TrialRecord
from nas.space.search_space import Candidate
from nas.space.sections import EvaluationSection, TrainingSection
from nas.system.files import write_text
from nas.training.numerics import Numerics
from nas.training.recipe import Recipe, plan_recipe, warmup_rule
from nas.training.trainer import memory_errors
from nas.training.weights import save_weights
from nas.trial.accounting import cost_of, measure, rung_result
from nas.trial.train import train_model

MAX_SAMPLED_COLLAPSE = 0.9
"""A trial with a larger share of collapsed sampled completions is not ranked."""
_ENDS: dict[type[TrialFailure], TrialEnd] = {
    Diverged: TrialEnd.DIVERGED,
    OutOfMemory: TrialEnd.OUT_OF_MEMORY,
    Leak: TrialEnd.LEAK,
    Collapsed: TrialEnd.COLLAPSED,
}


@dataclass(frozen=True)
class TrialSettings:
    """The settings that all trials of a study share."""

    training: TrainingSection
    evaluation: EvaluationSection
    prompt_bytes: int
    numerics: Numerics
    seed: int


@dataclass(frozen=True)
class TrialPaths:
    """Files for what is too large for a trial's record; None writes no file."""

    samples: Path | None = None
    trunk: Path | None = None
    """Training state that a rung saves for the next; without it each rung trains from the start."""


def run_trial(
    candidate: Candidate,
    data: PreparedData,
    settings: TrialSettings,
    paths: TrialPaths,
    *,
    number: int,
    rung: int = -1,
    reference: str | None = None,
) -> TrialRecord:
    """Train `candidate` up to `rung` (-1: the top), evaluate it on validation, write samples, return the record.

    The record covers this rung alone. Except for `measured`, it depends only on (candidate, data, settings, rung):
    whether the rung below saved its trunk makes no difference. A trial that diverges, runs out of memory, can read
    what it predicts, or has collapsed at the top rung is PRUNED with its reason; other errors are raised.
    """
    started_at, started = datetime.now(UTC), time.perf_counter()
    architecture, top = candidate.architecture, settings.training.num_rungs - 1
    rung = rung % settings.training.num_rungs
    recipe = trial_recipe(candidate, settings, rung)
    record = partial(
        TrialRecord,
        number=number,
        reference=reference,
        point=candidate.point,
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
            trained = train_model(
                architecture,
                candidate.vocabulary,
                data,
                recipe,
                settings.numerics,
                rung=rung,
                trunk=paths.trunk,
                leaves_trunk=rung < top,
            )
            vocabulary = data.vocabulary(candidate.vocabulary)
            evaluation = evaluate(
                trained.model, vocabulary, data, "validation", settings.evaluation, settings.prompt_bytes
            )
            text = data.evaluation_bytes("validation", settings.evaluation.validation_bytes)
            refuse_leak_by_result(evaluation.metrics.bpb, architecture.num_params, compressor_bpb(text))
            if rung == top:
                refuse_collapse(evaluation.metrics)
    except TrialFailure as failure:
        return record(end=_ENDS[type(failure)], reason=str(failure))
    if paths.samples is not None:
        write_samples(evaluation.completions, paths.samples)
    below = trial_recipe(candidate, settings, rung - 1).trunk_steps if rung else 0
    result = rung_result(rung, evaluation.metrics, recipe, trained, below, settings.evaluation.collapse_weight)
    return record(
        end=TrialEnd.COMPLETE,
        cost=cost_of(architecture, recipe, trained),
        rungs=(result,),
        curve=trained.curve,
        measured=measure(started_at, started, recipe, trained, evaluation, settings.numerics),
    )


def refuse_collapse(metrics: Metrics) -> None:
    """Raise Collapsed if nearly all sampled completions are collapsed: low bits per byte do not make up for that.

    Greedy completions do not count here, as most of those of small healthy models loop. A hardly trained model
    that sometimes writes blanks is ranked.
    """
    if metrics.sampled_collapse_rate > MAX_SAMPLED_COLLAPSE:
        rules = ", ".join(f"{rule} {count}" for rule, count in metrics.collapse_rules["sampled"].items())
        raise Collapsed(
            f"collapsed: {metrics.sampled_collapse_rate:.0%} of {metrics.num_prompts} sampled completions "
            f"({rules}), at most {MAX_SAMPLED_COLLAPSE:.0%} are allowed; {metrics.bpb:.3f} bits per byte"
        )


def run_final(candidate: Candidate, data: PreparedData, settings: TrialSettings, weights: Path) -> Evaluation:
    """Train `candidate` to the top rung with the seed of `settings`, save its weights, evaluate it on the holdout.

    Raises TrialFailure if it diverges or runs out of memory.
    """
    recipe = trial_recipe(candidate, settings)
    with memory_errors():
        trained = train_model(candidate.architecture, candidate.vocabulary, data, recipe, settings.numerics)
        save_weights(trained.model, weights)
        vocabulary = data.vocabulary(candidate.vocabulary)
        return evaluate(trained.model, vocabulary, data, "holdout", settings.evaluation, settings.prompt_bytes)


def trial_recipe(candidate: Candidate, settings: TrialSettings, rung: int = -1) -> Recipe:
    """Return the recipe of a rung: as many steps as its FLOPs buy this architecture.

    All rungs share one warm-up, or they could not share a trunk. It is the top rung's warm-up, but at most two fifths
    of the lowest rung's steps. A tenth of the lowest rung's steps would be too short for the top rung.
    """
    training = settings.training
    lowest, top = (training.num_steps(candidate.architecture, end) for end in (0, -1))
    return plan_recipe(
        candidate.architecture,
        num_steps=training.num_steps(candidate.architecture, rung),
        warmup_steps=min(warmup_rule(top), round(0.4 * lowest)),
        batch_tokens=training.batch_tokens,
        seq_length=training.max_seq_length,
        lr_multiplier=candidate.lr_multiplier,
        seed=settings.seed,
    )


def write_samples(completions: Sequence[EvaluatedCompletion], path: Path) -> None:
    """Write one JSON object a line: index, prompt, completion, mode, rule."""
    write_text(path, "".join(json.dumps(asdict(completion), ensure_ascii=False) + "\n" for completion in completions))
