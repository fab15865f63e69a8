"""The one training loop: trials, finalists and `nas.train` all go through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nas.errors import Diverged, OutOfMemory
from nas.model import Decoder
from nas.trial.batches import Batches, derived_seed
from nas.trial.master_weights import MasterWeights
from nas.trial.numerics import Numerics
from nas.trial.recipe import Recipe


class Training:
    """A model, its optimiser and the number of steps done; `advance` does more of them.

    The state after step n is a function of (architecture, data, recipe, numerics, n): whether it was
    reached in one run or over several resumes does not show.
    """

    def __init__(self, model: Decoder, tokens: NDArray[np.integer], recipe: Recipe, numerics: Numerics) -> None:
        """`tokens`: the training stream, (num_tokens,)."""
        self.model = model.to(numerics.device)
        self.recipe = recipe
        self.numerics = numerics
        self.step = 0
        self._batches = Batches(tokens, recipe.batch_size, recipe.seq_length, recipe.seed)
        self._weights = MasterWeights(self.model, numerics.training_dtype)
        loss = self._weights.trained.loss
        self._loss = torch.compile(loss, dynamic=False) if numerics.compiled else loss
        matrices, gains = self._weights.vectors
        self._optimizer = torch.optim.AdamW(
            [{"params": [matrices], "weight_decay": recipe.weight_decay}, {"params": [gains], "weight_decay": 0.0}],
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            fused=True,
        )

    def advance(self, num_steps: int) -> float:
        """Do the next `num_steps` steps; the mean loss over them, nats per token.

        Raises Diverged when that mean is not finite, OutOfMemory when the device cannot hold a step.
        """
        self._weights.trained.train()
        total = torch.zeros((), dtype=torch.float64, device=self.numerics.device)
        for _ in range(num_steps):
            total += self._do_step()
        mean = float(total) / num_steps
        if not np.isfinite(mean):
            raise Diverged(f"the training loss is {mean} by step {self.step} of {self.recipe.num_steps}")
        return mean

    def _do_step(self) -> torch.Tensor:
        inputs, targets = self._batches.at(self.step)
        # Dropout draws from the global generator: reseeded by step, so that a resume draws the same.
        torch.manual_seed(derived_seed("dropout", self.recipe.seed, self.step))
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate_at(self.step)
        with memory_errors(), self.numerics.repeatable():
            loss = self._loss(inputs.to(self.numerics.device), targets.to(self.numerics.device))
            self._weights.take_gradients(loss)
            torch.nn.utils.clip_grad_norm_(self._weights.vectors, self.recipe.grad_clip)
            self._optimizer.step()
            self._weights.refresh()
        self.step += 1
        return loss.detach()

    def optimizer_state(self) -> dict[str, Any]:
        """What must be saved beside the weights and the step; loads with `weights_only=True`."""
        return self._optimizer.state_dict()

    def restore(self, step: int, optimizer_state: Mapping[str, Any]) -> None:
        """Continue after `step` steps; the weights are the model's own business."""
        self.step = step
        self._optimizer.load_state_dict(dict(optimizer_state))
        self._weights.refresh()


@contextmanager
def memory_errors() -> Iterator[None]:
    """OutOfMemory in place of whatever the device raises when it cannot hold the computation."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise_if_out_of_memory(error)
        raise


def raise_if_out_of_memory(error: BaseException) -> None:
    """OutOfMemory if that is what `error` says; torch's CPU allocator says it in words only."""
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        raise OutOfMemory(f"out of memory: {text.splitlines()[0] if text else type(error).__name__}") from None
