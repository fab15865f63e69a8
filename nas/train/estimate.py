"""An estimate of a run before it begins: time and memory from a few real steps, the rest by formula."""

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
"""Rows, inner and columns of the matrix product that measures the machine's peak: large enough to reach it."""
_CHECKPOINT_BYTES_PER_PARAMETER = 16
"""Bytes of the weights, the best weights and AdamW's two moments in float32."""


@dataclass(frozen=True)
class Estimate:
    """Time and memory of one run on this machine in its current state."""

    step_seconds: float
    peak_flops: float
    """FLOP/s of a large matrix product in the precision of training."""
    memory_bytes: int
    """On a CPU the peak of this process so far, with its libraries; on CUDA the device memory of the steps."""
    checkpoint_bytes: int

    def seconds(self, num_steps: int) -> float:
        """Return the seconds of `num_steps` steps."""
        return self.step_seconds * num_steps

    def peak_share(self, plan: TrainingPlan) -> float:
        """Return the model FLOPs utilisation (Chowdhery et al. 2022): FLOPs by formula per second over the peak."""
        return plan.step_flops / self.step_seconds / self.peak_flops


def estimate(plan: TrainingPlan, tokens: NDArray[np.integer], teacher: Teacher | None = None) -> Estimate:
    """Measure up to six steps of `plan` on `tokens`, (num_tokens,), and discard them.

    Raise OutOfMemory if they do not fit.
    """
    recipe, numerics = plan.recipe, plan.numerics
    on_gpu = numerics.device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(numerics.device)
    trainer = plan.new_trainer(tokens, teacher)
    trainer.advance(1)
    seconds: list[float] = []
    while len(seconds) < _MAX_STEPS and sum(seconds) < _MAX_SECONDS:
        started = time.perf_counter()
        trainer.advance(1)
        seconds.append(time.perf_counter() - started)
    weights = _CHECKPOINT_BYTES_PER_PARAMETER + (4 if recipe.ema_decay else 0)
    return Estimate(
        step_seconds=statistics.median(seconds),
        peak_flops=measured_peak_flops(numerics),
        memory_bytes=int(torch.cuda.max_memory_allocated(numerics.device)) if on_gpu else _resident_peak(),
        checkpoint_bytes=weights * plan.architecture.num_params,
    )


def measured_peak_flops(numerics: Numerics) -> float:
    """Return the FLOP/s of the fastest of a few products of two large matrices in the precision of training."""
    rows, inner, columns = _PRODUCT[numerics.device.partition(":")[0]]
    dtype, device = numerics.training_dtype, numerics.device
    left = torch.ones(rows, inner, dtype=dtype, device=device)
    right = torch.ones(inner, columns, dtype=dtype, device=device)
    seconds = []
    for _ in range(_MAX_STEPS):
        started = time.perf_counter()
        for _ in range(4):
            product = left @ right
        product[0, 0].item()  # waits until a GPU has finished
        seconds.append(time.perf_counter() - started)
    return 4 * 2 * rows * inner * columns / min(seconds)


def _resident_peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
