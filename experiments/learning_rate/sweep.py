"""The sweep of learning rates: its points, the rates that each still needs, and its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from experiments.document import markdown
from experiments.trainings import TrainingResult, TrainingSpec
from nas.architecture.config import ArchitectureConfig
from nas.space.search_space import Candidate
from nas.space.sections import TrainingSection
from nas.training.recipe import learning_rate_rule

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
"""Ratio of neighbouring rates."""

Results = Mapping[str, TrainingResult]
_HEADER = (
    "size", "vocabulary", "batch tokens", "sequence", "steps", "rule's rate", "bits per byte", "best rate",
    "bits per byte", "the rule loses",
)  # fmt: skip


@dataclass(frozen=True)
class SweepPoint:
    """One setting whose best learning rate is looked for."""

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
        """The learning rate that the rule gives."""
        return learning_rate_rule(self.architecture)

    def spec(self, learning_rate: float) -> TrainingSpec:
        candidate = Candidate(self.architecture, f"bpe-{self.vocab_size}", lr_multiplier=1.0)
        return TrainingSpec(candidate, self.training, seed=0, learning_rate=learning_rate)

    def missing(self, results: Results) -> list[TrainingSpec]:
        """Return the trainings that the best rate needs next, as far as can be said now."""
        return [self.spec(rate) for rate in next_rates(self.rule, self.measured(results))]

    def measured(self, results: Results) -> dict[float, float]:
        """Return rate -> bits per byte of all trainings of this point, the lowest rate first."""
        own = [
            result
            for result in results.values()
            if result.architecture == self.architecture
            and result.batch_tokens == self.training.batch_tokens
            and result.seed == 0
            and result.train_flops == self.training.trial_flops
        ]
        return {result.learning_rate: result.val_bpb for result in sorted(own, key=lambda result: result.learning_rate)}


def sweep_points(batch_tokens: int, seq_length: int, sizes: Sequence[str], train_flops: float) -> Iterator[SweepPoint]:
    """Yield a point for each size and vocabulary."""
    section = TrainingSection(trial_flops=train_flops, max_seq_length=seq_length, batch_tokens=batch_tokens)
    for size in sizes:
        for vocab_size in VOCABULARIES:
            yield SweepPoint(size, vocab_size, section)


def next_rates(rule: float, measured: Mapping[float, float]) -> list[float]:
    """Return the rates still to be trained: the rule's, and the best one's neighbours, a FACTOR to either side."""
    if not any(_is_near(rule, rate) for rate in measured):
        return [rule, *([] if measured else [rule / FACTOR, rule * FACTOR])]
    best = min(measured, key=lambda rate: measured[rate])
    below, above = [rate for rate in measured if rate < best], [rate for rate in measured if rate > best]
    missing = [] if below and best / max(below) <= FACTOR * 1.01 else [best / FACTOR]
    return missing if above and min(above) / best <= FACTOR * 1.01 else [*missing, best * FACTOR]


def _is_near(rate: float, other: float) -> bool:
    return abs(rate / other - 1) < 0.01


def table(points: Sequence[SweepPoint], results: Results) -> str:
    """Return Markdown: bits per byte under the rule, and what it loses where the best rate is known."""
    rows, losses = [], []
    for point in points:
        measured = point.measured(results)
        at_rule = next((bpb for rate, bpb in measured.items() if _is_near(rate, point.rule)), None)
        if at_rule is None:
            continue
        best = min(measured, key=lambda rate: measured[rate])
        swept = ["not swept"] * 3
        if not point.missing(results):
            losses.append(at_rule - measured[best])
            swept = [f"{best:.5f}", f"{measured[best]:.3f}", f"{losses[-1]:.3f}"]
        layers, width = SIZES[point.size]
        training = point.training
        rows.append(
            [
                f"L{layers} H{width}",
                *map(str, (point.vocab_size, training.batch_tokens, training.max_seq_length)),
                str(training.num_steps(point.architecture)),
                *(f"{point.rule:.5f}", f"{at_rule:.3f}"),
                *swept,
            ]
        )
    page = markdown(_HEADER, rows)
    if not losses:
        return page
    mean = sum(losses) / len(losses)
    return f"{page}\n\nThe rule loses at most {max(losses):.3f} bits per byte, {mean:.3f} in the mean."
