"""An objective that trains nothing. Workers import this module: it is kept light."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nas.errors import OutOfMemory
from nas.fitness import fitness
from nas.records import Cost, Judgement, TrialRecord
from nas.space import Candidate


@dataclass(frozen=True)
class Instant:
    """Bits per byte by formula; a mishap at the numbers that are told one."""

    mishaps: Mapping[int, str] = field(default_factory=dict)
    """Trial number -> what happens: `raise`, `refuse`, `exit`, `kill`, `diverge`."""
    seconds: float = 0.0
    calls: Path | None = None
    """A folder that gets an empty file named `<number>` a call."""

    def initialise(self) -> None:
        pass

    def __call__(self, candidate: Candidate, *, number: int, reference: str | None) -> TrialRecord:
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
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "diverge":
                return ended_record(candidate, number, reference, "PRUNED", "diverged: the loss is not finite")
        return complete_record(candidate, number, reference)


def ended_record(candidate: Candidate, number: int, reference: str | None, state: str, reason: str) -> TrialRecord:
    return TrialRecord(
        number=number,
        state=state,
        reason=reason,
        reference=reference,
        architecture=candidate.architecture,
        vocabulary=candidate.vocabulary,
        lr_multiplier=candidate.lr_multiplier,
        seed=0,
    )


def complete_record(candidate: Candidate, number: int, reference: str | None) -> TrialRecord:
    """val_bpb 1 + 10,000 / parameters, collapse rate 0.3, the worse of 0.1 and 0.3."""
    num_params = candidate.architecture.num_params
    val_bpb = 1 + 10_000 / num_params
    return TrialRecord(
        number=number,
        state="COMPLETE",
        reference=reference,
        architecture=candidate.architecture,
        vocabulary=candidate.vocabulary,
        lr_multiplier=candidate.lr_multiplier,
        learning_rate=0.01 * candidate.lr_multiplier,
        seed=0,
        fitness=fitness(val_bpb, 0.3, 1.0),
        val_bpb=val_bpb,
        collapse_rate=0.3,
        validation=Judgement(
            bpb=val_bpb,
            perplexity=2**val_bpb,
            num_bytes=8192,
            num_prompts=10,
            sampled_collapse_rate=0.1,
            greedy_collapse_rate=0.3,
            collapse_rules={"sampled": {"loop": 1}, "greedy": {"loop": 3}},
        ),
        cost=Cost(
            num_params=num_params,
            non_embedding_params=candidate.architecture.non_embedding_params,
            train_flops_per_token=1000,
            train_flops=1e6,
            train_tokens=1000,
            train_bytes=1000.0,
            train_steps=2,
        ),
    )
