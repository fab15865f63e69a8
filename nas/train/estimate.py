"""What a run will take, before it begins: time and memory from a few real steps, the rest by formula."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nas.train.plan import TrainingPlan
from nas.train.teacher import Teacher
from nas.training.numerics import Numerics

_MAX_STEPS = 5
_MAX_SECONDS = 10.0
_PRODUCT = {"cpu": (2048, 1024, 1024), "cuda": (8192, 8192, 8192)}
"""Rows, inner and columns of the matrix product that stands for the machine's peak: large enough to be all there is."""
_CHECKPOINT_BYTES_PER_PARAMETER = 16
"""Weights, the best ones, and AdamW's two moments, in float32."""


@dataclass(frozen=True)
class Estimate:
    """Of one run on this machine, at the moment."""

    step_seconds: float
    peak_flops: float
    """FLOP/s of a large matrix product in the precision of training."""
    memory_bytes: int
    """On a CPU the most this process has held so far, libraries too; on CUDA, what the steps took of the device."""
    checkpoint_bytes: int

    def seconds(self, num_steps: int) -> float:
        return self.step_seconds * num_steps

    def peak_share(self, plan: TrainingPlan) -> float:
        """Model FLOPs utilisation (Chowdhery et al. 2022): the formula's FLOPs in a second over the measured peak."""
        return plan.step_flops / self.step_seconds / self.peak_flops


def estimate(plan: TrainingPlan, tokens: NDArray[np.integer], teacher: Teacher | None = None) -> Estimate:
    """Do up to five steps of `plan` on `tokens`, (num_tokens,), and forget them. OutOfMemory where they do not fit."""
    recipe, numerics = plan.recipe, plan.numerics
    on_gpu = numerics.device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(numerics.device)
    training = plan.new_training(tokens, teacher)
    training.advance(1)
    seconds: list[float] = []
    while len(seconds) < _MAX_STEPS and sum(seconds) < _MAX_SECONDS:
        started = time.perf_counter()
        training.advance(1)
        seconds.append(time.perf_counter() - started)
    weights = _CHECKPOINT_BYTES_PER_PARAMETER + (4 if recipe.ema_decay else 0)
    return Estimate(
        step_seconds=statistics.median(seconds),
        peak_flops=measured_peak_flops(numerics),
        memory_bytes=int(torch.cuda.max_memory_allocated(numerics.device)) if on_gpu else _resident_peak(),
        checkpoint_bytes=weights * plan.architecture.num_params,
    )


def measured_peak_flops(numerics: Numerics) -> float:
    """FLOP/s of the fastest of a few products of two large matrices, as training multiplies them."""
    rows, inner, columns = _PRODUCT[numerics.device.partition(":")[0]]
    dtype, device = numerics.training_dtype, numerics.device
    left = torch.ones(rows, inner, dtype=dtype, device=device)
    right = torch.ones(inner, columns, dtype=dtype, device=device)
    seconds = []
    for _ in range(_MAX_STEPS):
        started = time.perf_counter()
        for _ in range(4):
            product = left @ right
        product[0, 0].item()  # a GPU answers once it is done
        seconds.append(time.perf_counter() - started)
    return 4 * 2 * rows * inner * columns / min(seconds)


def _resident_peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
