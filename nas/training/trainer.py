"""The one training loop: trials, finalists and `nas.train` all go through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.errors import Diverged, OutOfMemory
from nas.model import Decoder, SoftTargets
from nas.training.averaged_weights import AveragedWeights
from nas.training.batches import Batches, derived_seed
from nas.training.master_weights import MasterWeights
from nas.training.numerics import Numerics
from nas.training.recipe import Recipe
from nas.training.step_graph import EAGER_STEPS, StepGraph

_AVERAGES, _OPTIMIZER = "averages.", "optimizer."


class Trainer:
    """A model, its optimiser and the number of steps done.

    The state after step n is a function of (architecture, data, recipe, numerics, n): it does not depend on
    whether it was reached in one run or over several resumes.
    """

    def __init__(
        self,
        model: Decoder,
        tokens: NDArray[np.integer],
        recipe: Recipe,
        numerics: Numerics,
        teacher: Callable[[Tensor], SoftTargets] | None = None,
        *,
        use_cuda_graphs: bool = True,
    ) -> None:
        """Prepare to train `model` on the stream `tokens`, (num_tokens,), by `recipe`.

        `teacher` gives soft targets for the token after each of ids (B, T). With `use_cuda_graphs`, steps on a GPU are
        CUDA graphs (nas/training/step_graph.py), unless there is a teacher.
        """
        self.recipe = recipe
        self.numerics = numerics
        self.step = 0
        self.lr_scale = 1.0
        """Multiplies every learning rate of the recipe: below 1 in a run that diverged and was rolled back."""
        self._batches = Batches(tokens, recipe.batch_size, recipe.seq_length, recipe.seed)
        with memory_errors():
            self.model = model.to(numerics.device)
            self._weights = MasterWeights(self.model, numerics.training_dtype)
        self._teacher = teacher
        self._averages = AveragedWeights(self._weights.vectors, recipe.ema_decay) if recipe.ema_decay else None
        loss = self._weights.trained.loss
        self._loss = torch.compile(loss, dynamic=False) if numerics.compiled else loss
        self._on_gpu = numerics.device.startswith("cuda")
        self._graph: StepGraph | None = None
        self._eager_steps, self._use_cuda_graphs = 0, use_cuda_graphs and teacher is None
        matrices, gains = self._weights.vectors
        self._optimizer = torch.optim.AdamW(
            [{"params": [matrices], "weight_decay": recipe.weight_decay}, {"params": [gains], "weight_decay": 0.0}],
            lr=torch.tensor(recipe.learning_rate, device=numerics.device) if self._on_gpu else recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            fused=True,
            capturable=self._on_gpu,
        )

    def advance(self, num_steps: int) -> float:
        """Do the next `num_steps` steps and return their mean loss, nats per token.

        Raise Diverged when that mean is not finite, OutOfMemory when the device cannot hold a step.
        """
        losses = self.step_losses(num_steps)
        if not math.isfinite(mean := sum(losses) / len(losses)):
            raise Diverged(f"the training loss is {mean} by step {self.step} of {self.recipe.num_steps}")
        return mean

    def step_losses(self, num_steps: int, should_stop: Callable[[], bool] = lambda: False) -> list[float]:
        """Do up to `num_steps` steps, until `should_stop` is true, and return the loss of each, finite or not."""
        self._weights.trained.train()
        losses = [self._do_step()]
        while len(losses) < num_steps and not should_stop():
            losses.append(self._do_step())
        values: list[float] = torch.stack(losses).double().tolist()
        return values

    def _do_step(self) -> Tensor:
        inputs, targets = self._batches.at(self.step)
        # Dropout draws from the global generator, which is seeded at each step so that a resume draws the same numbers.
        torch.manual_seed(derived_seed("dropout", self.recipe.seed, self.step))
        self._set_learning_rate(self.lr_scale * self.recipe.learning_rate_at(self.step))
        with memory_errors(), self.numerics.deterministic():
            loss = self._step_on_gpu(inputs, targets) if self._on_gpu else self._update(inputs, targets)
        if self._averages is not None:
            self._averages.update(self.step)
        self.step += 1
        return loss

    def _set_learning_rate(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            if self._on_gpu:  # a recorded step reads the rate from this tensor
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _step_on_gpu(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Do the first steps kernel by kernel, later ones as a graph; copies from pinned memory do not block."""
        inputs, targets = inputs.pin_memory(), targets.pin_memory()
        if self._eager_steps < EAGER_STEPS or not self._use_cuda_graphs:
            self._eager_steps += 1
            device = self.numerics.device
            return self._update(inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True))
        if self._graph is None:
            self._graph = StepGraph(self._update, inputs, targets, self.numerics.device)
        return self._graph(inputs, targets)

    def _update(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Update the weights by the gradients of a batch and return its mean loss."""
        loss = self._add_gradients(inputs, targets)
        torch.nn.utils.clip_grad_norm_(self._weights.vectors, self.recipe.grad_clip)
        self._optimizer.step()
        self._weights.refresh()
        return loss

    def _add_gradients(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the gradients of the mean loss of a step and return that loss."""
        parts = self.recipe.accumulate
        losses = []
        for ids, answers in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
            soft_targets = None if self._teacher is None else self._teacher(ids)
            loss = self._loss(ids, answers, self.recipe.label_smoothing, soft_targets)
            self._weights.add_gradients(loss / parts if parts > 1 else loss)
            losses.append(loss.detach())
        return losses[0] if parts == 1 else torch.stack(losses).mean()

    def evaluation_weights(self) -> AbstractContextManager[None]:
        """Put the weights to evaluate and save into `model` inside the block: the averaged ones if there are any."""
        return nullcontext() if self._averages is None else self._averages.swapped_in()

    def state(self) -> dict[str, Tensor]:
        """Return the tensors to save in addition to the weights, the step and `lr_scale`."""
        tensors = {
            f"{_OPTIMIZER}{index}.{key}": value
            for index, state in self._optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        means = self._averages.means if self._averages is not None else []
        return tensors | {f"{_AVERAGES}{index}": mean for index, mean in enumerate(means)}

    def restore(self, step: int, state: Mapping[str, Tensor], lr_scale: float = 1.0) -> None:
        """Continue after `step` steps with what `state` returned; the caller loads the model's weights.

        Raise KeyError, ValueError or RuntimeError if `state` is of another training.
        """
        self.step, self.lr_scale = step, lr_scale
        self._graph, self._eager_steps = None, 0
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            if name.startswith(_OPTIMIZER):
                index, key = name.removeprefix(_OPTIMIZER).split(".")
                moments.setdefault(int(index), {})[key] = value
        groups: Any = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        if self._averages is not None:
            for number, mean in enumerate(self._averages.means):
                mean.copy_(state[f"{_AVERAGES}{number}"])
        self._weights.refresh()


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise OutOfMemory in place of the device's own error when it cannot hold the computation."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise_if_out_of_memory(error)
        raise


def raise_if_out_of_memory(error: BaseException) -> None:
    """Raise OutOfMemory if `error` is one; PyTorch's CPU allocator has only a message for it."""
    message = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in message:
        raise OutOfMemory(f"out of memory: {message.splitlines()[0] if message else type(error).__name__}") from None
