"""Where a run stands beside its weights: what it needs to go on as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from nas.errors import Diverged
from nas.records.training import RollBack

LOSS_MEMORY = 0.9
"""Of the running loss, for each step: it looks back about ten steps."""
MAX_RISE = 1.0
"""Nats by which the running loss may stand above its lowest: more is no noise but a training that fell apart."""


class Progress(BaseModel):
    """A function of the plan, of `step` and of how many checkpoints stay to go back to: no clock decides it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    step: int = 0
    best_step: int = 0
    best_val_bpb: float | None = None
    best_val_novel_bpb: float | None = None
    """None before the first evaluation, and where no line is novel."""
    loss_sum: float = 0.0
    """Of the steps since the last evaluation."""
    running_loss: float | None = None
    lowest_loss: float | None = None
    """The lowest running loss so far."""
    lr_scale: float = 1.0
    rollbacks: tuple[RollBack, ...] = ()

    def after(self, losses: Sequence[float]) -> Progress:
        """`losses` of the next steps, nats per token; Diverged at one that is no number, or where they rise too far."""
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
