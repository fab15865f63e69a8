"""`python -m experiments.learning_rate`: does the learning-rate rule hold?

At each of three sizes, two vocabularies and three batch sizes, and at the smallest size with shorter and longer
sequences, the rule's rate is trained, and rates a factor of two apart around the best one, until the best has a
worse neighbour on either side. experiments/learning_rate/README.md then says what the rule loses to the best rate found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.document import markdown, write_tables
from nas import cli
from nas.architecture.config import ArchitectureConfig
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection
from nas.training.recipe import learning_rate_rule

if TYPE_CHECKING:
    from experiments.trainings import Trainings, Wanted

SIZES = {"small": (2, 32), "medium": (3, 64), "large": (4, 128)}
"""Layers and width."""
VOCABULARIES = (1024, 8192)
BATCHES = (
    (1024, 256, tuple(SIZES)),
    (2048, 256, tuple(SIZES)),
    (1024, 128, ("small",)),
    (1024, 512, ("small",)),
    (512, 256, tuple(SIZES)),
)
"""Tokens of a batch, tokens of a sequence and the sizes at which they are swept, in this order."""
FACTOR = 2.0
"""Between neighbouring rates."""


@dataclass(frozen=True)
class Cell:
    """One point of the sweep: which rate is best here?"""

    size: str
    vocab_size: int
    training: TrainingSection

    @property
    def architecture(self) -> ArchitectureConfig:
        layers, width = SIZES[self.size]
        return ArchitectureConfig(
            num_layers=layers,
            hidden_dim=width,
            num_heads=width // 16,
            ffn_multiplier=3.0,
            activation="swiglu",
            vocab_size=self.vocab_size,
            max_seq_length=self.training.max_seq_length,
        )

    @property
    def rule(self) -> float:
        return learning_rate_rule(self.architecture)

    def wanted(self, learning_rate: float) -> Wanted:
        from experiments.trainings import Wanted

        candidate = Candidate(self.architecture, f"bpe-{self.vocab_size}", lr_multiplier=1.0)
        return Wanted(candidate, self.training, seed=0, learning_rate=learning_rate)

    def missing(self, trainings: Trainings) -> list[Wanted]:
        """What must be trained before this cell's best rate is known, as far as can be said now."""
        return [self.wanted(rate) for rate in next_rates(self.rule, self.measured(trainings))]

    def measured(self, trainings: Trainings) -> dict[float, float]:
        """Rate -> bits per byte, of all trainings of this cell that the file holds."""
        mine = {"architecture": self.architecture, "batch_tokens": self.training.batch_tokens, "seed": 0}
        found = [one for one in trainings.done.values() if all(getattr(one, key) == mine[key] for key in mine)]
        same = [one for one in found if one.train_flops == self.training.trial_flops]
        return {one.learning_rate: one.val_bpb for one in sorted(same, key=lambda one: one.learning_rate)}


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.learning_rate", "Sweep the learning rate against the rule.")
    built.add_argument("--trial-flops", type=cli.positive, default=2e12, metavar="N", help="FLOPs of each training")
    built.add_argument("--workers", type=cli.whole, metavar="N", help="processes (default: one a core)")
    built.add_argument("--minutes", type=cli.positive, metavar="M", help="begin no training after so many minutes")
    built.add_argument(
        "--data", default="experiments/learning_rate/learning-rate.jsonl", metavar="FILE", help="one line a training"
    )
    built.add_argument(
        "--doc", default="experiments/learning_rate/README.md", metavar="FILE", help="where the tables go"
    )
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.trainings import Trainings
    from nas.data.prepare import prepare_data
    from nas.system.machine import available_cores
    from nas.training.numerics import plan_numerics

    data = prepare_data("stdlib", [f"bpe-{size}" for size in VOCABULARIES])
    numerics = plan_numerics("cpu", threads=1)
    command = cli.command_line("experiments.learning_rate", argv)
    trainings = Trainings(Path(arguments.data), data, numerics, command)
    deadline = time.monotonic() + 60 * (arguments.minutes or 1e9)
    num_workers = arguments.workers or available_cores()
    by_batch = [list(cells_of(*batch, arguments.trial_flops)) for batch in BATCHES]
    cells = [cell for of_batch in by_batch for cell in of_batch]
    # The rule's own rates first: they compare batches and sequences before any sweep is complete.
    complete = trainings.run([cell.wanted(cell.rule) for cell in cells], num_workers, deadline)
    for of_batch in by_batch:
        while complete and (wanted := [one for cell in of_batch for one in cell.missing(trainings)]):
            complete = trainings.run(wanted, num_workers, deadline)
    write_tables(Path(arguments.doc), "sweep", tables(cells, trainings))
    print(f"written: {arguments.doc}")
    if not complete:
        print("stopped before its end; run the same command again to go on")
    return 0


def cells_of(batch_tokens: int, seq_length: int, sizes: Sequence[str], train_flops: float) -> Iterator[Cell]:
    section = TrainingSection(trial_flops=train_flops, max_seq_length=seq_length, batch_tokens=batch_tokens)
    for size in sizes:
        for vocab_size in VOCABULARIES:
            yield Cell(size, vocab_size, section)


def next_rates(rule: float, measured: Mapping[float, float]) -> list[float]:
    """The rates still to be trained: the rule's, and the best one's neighbours a FACTOR to either side."""
    if not any(_is_near(rule, rate) for rate in measured):
        return [rule, *([] if measured else [rule / FACTOR, rule * FACTOR])]
    best = min(measured, key=lambda rate: measured[rate])
    below, above = [rate for rate in measured if rate < best], [rate for rate in measured if rate > best]
    missing = [] if below and best / max(below) <= FACTOR * 1.01 else [best / FACTOR]
    return missing if above and min(above) / best <= FACTOR * 1.01 else [*missing, best * FACTOR]


def _is_near(one: float, other: float) -> bool:
    return abs(one / other - 1) < 0.01


def tables(cells: list[Cell], trainings: Trainings) -> str:
    """Markdown: bits per byte under the rule, and what it loses where the best rate is known."""
    rows, losses = [], []
    for cell in cells:
        measured = cell.measured(trainings)
        at_rule = next((value for rate, value in measured.items() if _is_near(rate, cell.rule)), None)
        if at_rule is None:
            continue
        best = min(measured, key=lambda rate: measured[rate])
        swept = ["not swept"] * 3
        if not cell.missing(trainings):
            losses.append(at_rule - measured[best])
            swept = [f"{best:.5f}", f"{measured[best]:.3f}", f"{losses[-1]:.3f}"]
        layers, width = SIZES[cell.size]
        training = cell.training
        rows.append(
            [
                f"L{layers} H{width}",
                *map(str, (cell.vocab_size, training.batch_tokens, training.max_seq_length)),
                str(training.num_steps(cell.architecture)),
                *(f"{cell.rule:.5f}", f"{at_rule:.3f}"),
                *swept,
            ]
        )
    header = (
        "size", "vocabulary", "batch tokens", "sequence", "steps", "rule's rate", "bits per byte", "best rate",
        "bits per byte", "the rule loses",
    )  # fmt: skip
    table = markdown(header, rows)
    if not losses:
        return table
    mean = sum(losses) / len(losses)
    return f"{table}\n\nThe rule loses at most {max(losses):.3f} bits per byte, {mean:.3f} in the mean."


if __name__ == "__main__":
    cli.run(main, "experiments.learning_rate")
