"""The progress of a run, apart from its weights: what it needs to resume as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from nas.errors import Diverged
from nas.records.training import RollBack

LOSS_MEMORY = 0.9
"""Decay of the running loss per step: it averages over about ten steps."""
MAX_RISE = 1.0
"""Nats by which the running loss may exceed its lowest value: a larger rise is not noise but a divergence."""


class Progress(BaseModel):
    """A function of the plan, of `step` and of the number of kept checkpoints: no clock decides it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step: int = 0
    best_step: int = 0
    best_val_bpb: float | None = None
    best_val_novel_bpb: float | None = None
    """None before the first evaluation, and where no line is novel."""
    loss_sum: float = 0.0
    """Sum of the losses since the last evaluation."""
    running_loss: float | None = None
    lowest_loss: float | None = None
    """The lowest running loss so far."""
    lr_scale: float = 1.0
    rollbacks: tuple[RollBack, ...] = ()

    def after(self, losses: Sequence[float]) -> Progress:
        """Return the progress after `losses` of the next steps, nats per token.

        Raise Diverged at a loss that is not finite, or where the running loss rises by more than MAX_RISE.
        """
        step, running, lowest, total = self.step, self.running_loss, self.lowest_loss, self.loss_sum
        for loss in losses:
            step += 1
            total += loss
            if not math.isfinite(loss):
                raise Diverged(f"the training loss is {loss} at step {step}")
            running = loss if running is None else LOSS_MEMORY * running + (1 - LOSS_MEMORY) * loss
            lowest = running if lowest is None else min(lowest, running)
            if running > lowest + MAX_RISE:
                raise Diverged(f"the training loss rose from {lowest:.2f} to {running:.2f} at step {step}")
        changes = {"step": step, "running_loss": running, "lowest_loss": lowest, "loss_sum": total}
        return self.model_copy(update=changes)
