"""The parts of a trial's record: the result of a rung, its cost, and what was measured."""

from __future__ import annotations

import resource
import sys
import time
from datetime import datetime

import torch

from nas.architecture.config import ArchitectureConfig
from nas.evaluate.metrics import Evaluation
from nas.records.fitness import fitness
from nas.records.trial import Cost, Measured, Metrics, RungResult
from nas.training.numerics import Numerics
from nas.training.recipe import Recipe
from nas.trial.train import Trained


def rung_result(
    rung: int, metrics: Metrics, recipe: Recipe, trained: Trained, steps_below: int, collapse_weight: float
) -> RungResult:
    """Return the result of a rung; `steps_below` are the trunk's steps that the rung below already accounts for."""
    return RungResult(
        rung=rung,
        train_flops=trained.flops_per_step * recipe.num_steps,
        train_bytes=trained.bytes_per_step * recipe.num_steps,
        spent_flops=trained.flops_per_step * (recipe.num_steps - steps_below),
        fitness=fitness(metrics.bpb, metrics.collapse_rate, collapse_weight),
        val_bpb=metrics.bpb,
        collapse_rate=metrics.collapse_rate,
        validation=metrics,
    )


def cost_of(architecture: ArchitectureConfig, recipe: Recipe, trained: Trained) -> Cost:
    """Return the cost of an architecture trained by `recipe`."""
    return Cost(
        num_params=architecture.num_params,
        non_embedding_params=architecture.non_embedding_params,
        train_flops_per_token=architecture.train_flops_per_token(recipe.seq_length),
        train_flops=trained.flops_per_step * recipe.num_steps,
        train_tokens=recipe.num_steps * recipe.batch_tokens,
        train_bytes=trained.bytes_per_step * recipe.num_steps,
        train_steps=recipe.num_steps,
    )


def measure(
    started_at: datetime, started: float, recipe: Recipe, trained: Trained, evaluation: Evaluation, numerics: Numerics
) -> Measured:
    """Return times, speeds and memory of a rung that began at `started_at`, or `started` by perf_counter.

    Speeds are those of the steps done here, without steps restored from the trunk.
    """
    return Measured(
        started=started_at.isoformat(timespec="seconds"),
        total_seconds=time.perf_counter() - started,
        train_seconds=trained.seconds,
        evaluate_seconds=evaluation.evaluate_seconds,
        generate_seconds=evaluation.generate_seconds,
        train_tokens_per_second=(recipe.num_steps - trained.first_step) * recipe.batch_tokens / trained.seconds,
        decode_ms_per_token=evaluation.decode_ms_per_token,
        peak_memory_bytes=_peak_memory_bytes(numerics),
    )


def _peak_memory_bytes(numerics: Numerics) -> int:
    if numerics.device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
