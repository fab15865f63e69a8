"""A training step as one CUDA graph: recorded once, then launched as a whole.

A step of a small model is some hundred kernels of a few microseconds each; a GPU waits for Python to launch them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

EAGER_STEPS = 3
"""Steps before one is recorded: by then libraries and the optimiser have allocated the memory they keep."""


class StepGraph:
    """A recorded step from inputs and targets (B, T) int64 to the loss, a scalar, which changes weights in place.

    Shapes, and all tensors that the step reads or changes apart from its arguments, must stay the same.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, targets: Tensor, device: str) -> None:
        """Record `step`, which computes nothing."""
        self._inputs, self._targets = inputs.to(device), targets.to(device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = step(self._inputs, self._targets)

    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Do a step on a batch in pinned memory and return its loss."""
        self._inputs.copy_(inputs, non_blocking=True)
        self._targets.copy_(targets, non_blocking=True)
        self._graph.replay()
        return self._loss.clone()
