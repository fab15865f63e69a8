"""The progress of a full training: a bar on a terminal, and a line for each evaluation."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nas.cli import printable
from nas.records.training import TrainingLine
from nas.report.parts.words import fixed

_SAMPLE_CHARACTERS = 90


class TrainingBar:
    """Shows steps, loss, bits per byte, speed and time left; without a terminal only the lines of evaluations."""

    def __init__(
        self, *, num_steps: int, step: int, step_tokens: int, step_flops: float, peak_flops: float | None, quiet: bool
    ) -> None:
        """Start at `step`; `peak_flops`, FLOP/s of this machine, adds the share of it that training reaches."""
        self.console = Console(quiet=quiet, highlight=False)
        self._step_tokens, self._step_flops, self._peak_flops = step_tokens, step_flops, peak_flops
        self._last_update = time.perf_counter(), step
        self._speed = ""
        columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns,
            TextColumn("{task.fields[now]}"),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=num_steps, completed=step, now="")
        self._evaluated = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, step: int, loss: float) -> None:
        """Show the loss after `step`, in nats per token."""
        now, (then, before) = time.perf_counter(), self._last_update
        if step > before:
            self._speed = self._speed_words((step - before) / (now - then))
        self._last_update = now, step
        self._bar.update(self._task, completed=step, now=f"loss {loss:.3f}{self._evaluated}  {self._speed}")

    def show(self, line: TrainingLine) -> None:
        """Print a line of the log, with one of its samples under it."""
        self._evaluated = f"  val_bpb {line.val_bpb:.4f}  novel {fixed(line.val_novel_bpb, 4)}"
        self.console.print(
            f"step {line.step:>7}  loss {line.train_loss:.3f}  val_bpb {line.val_bpb:.4f}  "
            f"novel {fixed(line.val_novel_bpb, 4)}  lr {line.learning_rate:.2e}  {self._speed}",
            markup=False,
            soft_wrap=True,
        )
        for sample in line.samples[:1]:
            text = printable(sample.completion).replace("\n", "\\n")[:_SAMPLE_CHARACTERS]
            self.console.print(f"      {sample.prompt}>>>{text}", style="dim", markup=False, soft_wrap=True)
        self._last_update = time.perf_counter(), line.step

    def _speed_words(self, steps_per_second: float) -> str:
        share = ""
        if self._peak_flops:
            share = f", {steps_per_second * self._step_flops / self._peak_flops:.0%} of the peak"
        return f"{steps_per_second * self._step_tokens:,.0f} tokens/s{share}"
