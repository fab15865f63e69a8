"""An objective that trains nothing; workers import this module, so it imports little."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nas.errors import OutOfMemory
from nas.records.fitness import fitness
from nas.records.trial import Cost, Metrics, RungResult, TrialEnd, TrialRecord
from nas.trial.task import RungTask


@dataclass(frozen=True)
class Instant:
    """Returns bits per byte by formula; some trials have a mishap instead."""

    mishaps: Mapping[int, str] = field(default_factory=dict)
    """Trial number -> raise, refuse, exit, kill, kill once at 1, diverge or diverge at 1, where 1 is a rung."""
    seconds: float = 0.0
    calls: Path | None = None
    """A folder with a file per trial number, which gets a line per call."""

    def initialise(self) -> None:
        pass

    def __call__(self, task: RungTask) -> TrialRecord:
        number = task.number
        time.sleep(self.seconds)
        if self.calls is not None:
            with (self.calls / str(number)).open("a") as file:
                file.write("called\n")
        match self.mishaps.get(number):
            case "raise":
                raise ZeroDivisionError("division by zero\nand a second line")
            case "refuse":
                raise OutOfMemory("the device is too small")
            case "exit":
                os._exit(7)
            case "kill" | "kill once at 1" as when if when == "kill" or (
                task.rung == 1 and self._num_calls(number) == 2
            ):
                os.kill(os.getpid(), signal.SIGKILL)
            case "diverge" | "diverge at 1" as when if when in ("diverge", f"diverge at {task.rung}"):
                return task.ended(TrialEnd.DIVERGED, "diverged: the loss is not finite", seed=0)
        return complete_record(task)

    def _num_calls(self, number: int) -> int:
        assert self.calls is not None
        return len((self.calls / str(number)).read_text().splitlines())


def complete_record(task: RungTask) -> TrialRecord:
    """Return a record with val_bpb 1 + 10,000 / parameters - 0.1 rung and the collapse rate 0.3."""
    candidate = task.candidate
    num_params = candidate.architecture.num_params
    val_bpb = 1 + 10_000 / num_params - 0.1 * task.rung
    metrics = Metrics(
        bpb=val_bpb,
        perplexity=2**val_bpb,
        num_bytes=8192,
        num_prompts=10,
        sampled_collapse_rate=0.1,
        greedy_collapse_rate=0.3,
        collapse_rules={"sampled": {"loop": 1}, "greedy": {"loop": 3}},
    )
    return TrialRecord(
        number=task.number,
        end=TrialEnd.COMPLETE,
        reference=task.reference,
        point=candidate.point,
        architecture=candidate.architecture,
        vocabulary=candidate.vocabulary,
        lr_multiplier=candidate.lr_multiplier,
        learning_rate=0.01 * candidate.lr_multiplier,
        seed=0,
        cost=Cost(
            num_params=num_params,
            non_embedding_params=candidate.architecture.non_embedding_params,
            train_flops_per_token=1000,
            train_flops=1e6,
            train_tokens=1000,
            train_bytes=1000.0,
            train_steps=2,
        ),
        rungs=(
            RungResult(
                rung=task.rung,
                train_flops=1e6,
                train_bytes=1000.0,
                spent_flops=1e6,
                fitness=fitness(val_bpb, 0.3, 1.0),
                val_bpb=val_bpb,
                collapse_rate=0.3,
                validation=metrics,
            ),
        ),
    )
