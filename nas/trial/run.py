"""`run_trial`: one architecture in, one record out. Plain values both ways, so that it runs anywhere."""

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
"""A trial with a larger share of collapsed completions, sampled, is not ranked."""
_ENDS: dict[type[TrialFailure], TrialEnd] = {
    Diverged: TrialEnd.DIVERGED,
    OutOfMemory: TrialEnd.OUT_OF_MEMORY,
    Leak: TrialEnd.LEAK,
    Collapsed: TrialEnd.COLLAPSED,
}


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

    samples: Path | None = None
    trunk: Path | None = None
    """What a rung leaves for the next; without it each trains from the start."""


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
    """Train `candidate` to `rung` (-1: the top), evaluate it on validation, write samples.

    The record, of this rung alone, is the same for the same (candidate, data, settings, rung), `measured` apart,
    whether the rung below left its trunk or not. A trial that diverges, does not fit memory, can read its answer or,
    at the top, writes hardly anything comes back PRUNED with its reason; other errors are raised.
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
            verdict = evaluate(
                trained.model, vocabulary, data, "validation", settings.evaluation, settings.prompt_bytes
            )
            text = data.evaluation_bytes("validation", settings.evaluation.validation_bytes)
            refuse_leak_by_result(verdict.metrics.bpb, architecture.num_params, compressor_bpb(text))
            if rung == top:
                refuse_collapse(verdict.metrics)
    except TrialFailure as failure:
        return record(end=_ENDS[type(failure)], reason=str(failure))
    if paths.samples is not None:
        write_samples(verdict.completions, paths.samples)
    below = trial_recipe(candidate, settings, rung - 1).trunk_steps if rung else 0
    result = rung_result(rung, verdict.metrics, recipe, trained, below, settings.evaluation.collapse_weight)
    return record(
        end=TrialEnd.COMPLETE,
        cost=cost_of(architecture, recipe, trained),
        rungs=(result,),
        curve=trained.curve,
        measured=measure(started_at, started, recipe, trained, verdict, settings.numerics),
    )


def refuse_collapse(metrics: Metrics) -> None:
    """Raise Collapsed where nearly all sampled completions are: no bits per byte make up for writing nothing.

    Greedy ones do not count here: small healthy models loop in most of those. One that was hardly trained writes
    blanks here and there, and is ranked.
    """
    if metrics.sampled_collapse_rate > MAX_SAMPLED_COLLAPSE:
        rules = ", ".join(f"{rule} {count}" for rule, count in metrics.collapse_rules["sampled"].items())
        raise Collapsed(
            f"collapsed: {metrics.sampled_collapse_rate:.0%} of {metrics.num_prompts} sampled completions "
            f"({rules}), allowed is {MAX_SAMPLED_COLLAPSE:.0%}; {metrics.bpb:.3f} bits per byte"
        )


def run_final(candidate: Candidate, data: PreparedData, settings: TrialSettings, weights: Path) -> Evaluation:
    """Train `candidate` to the top at once, with the seed of `settings`, keep its weights, evaluate it on the holdout.

    Raises TrialFailure where it diverges or does not fit memory, as a trial may.
    """
    recipe = trial_recipe(candidate, settings)
    with memory_errors():
        trained = train_model(candidate.architecture, candidate.vocabulary, data, recipe, settings.numerics)
        save_weights(trained.model, weights)
        vocabulary = data.vocabulary(candidate.vocabulary)
        return evaluate(trained.model, vocabulary, data, "holdout", settings.evaluation, settings.prompt_bytes)


def trial_recipe(candidate: Candidate, settings: TrialSettings, rung: int = -1) -> Recipe:
    """As many steps as the rung's FLOPs buy this architecture.

    All rungs have one warm-up, or they would share no trunk: that of the top, but two fifths of the lowest at most. A
    tenth of the lowest would be too short for the top.
    """
    training = settings.training
    lowest, top = (training.num_steps(candidate.architecture, one) for one in (0, -1))
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
    """One JSON object a line: index, prompt, completion, mode, rule."""
    write_text(path, "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in completions))
