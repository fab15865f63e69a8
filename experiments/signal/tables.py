"""The tables of experiments/signal/README.md, from its trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.document import markdown
from experiments.scoring import BLOCK_BYTES, COMPLETION_BYTES, DECODINGS_STUDIED, NUM_PROMPTS
from experiments.signal.ranges import edges_hit, range_table
from experiments.signal.study import OTHER_BUDGETS, SEEDS, SignalStudy
from experiments.signal.variance import Scores, Signal, paired_error, signal_of
from experiments.trainings import TrainingResult
from nas.evaluate.metrics import DECODINGS
from nas.records.fitness import fitness
from nas.scaling_law.forecast import spearman

RANK_CORRELATION_BAR = 0.8
GAP_BAR = 5.0


@dataclass(frozen=True)
class RankedScore:
    """A score that a search could rank by."""

    name: str
    score: Callable[[TrainingResult], float]


def tables(study: SignalStudy) -> str:
    """Return all tables as Markdown."""
    parts = [
        ("What is a trial's own", signal_table(study)),
        ("The three conditions", conditions(study)),
        ("From budget to budget", budget_table(study)),
        ("Where the best lie", range_table(study)),
        ("How much validation text", validation_table(study)),
        ("How many prompts", prompts_table(study)),
        ("All architectures", architecture_table(study)),
    ]
    return "\n\n".join(f"## {title}\n\n{content}" for title, content in parts)


def bits_per_byte(result: TrainingResult) -> float:
    return result.val_bpb


def study_fitness(study: SignalStudy, weight: float | None = None) -> Callable[[TrainingResult], float]:
    """Return a function to the fitness of a trial of the space, on as many prompts."""
    evaluation = study.space.evaluation
    weight = evaluation.collapse_weight if weight is None else weight
    return lambda result: fitness(result.val_bpb, trial_collapse_rate(result, evaluation.num_prompts), weight)


def trial_collapse_rate(result: TrainingResult, num_prompts: int) -> float:
    """Return the worse rate of the two decodings of a trial, like `Metrics.collapse_rate`."""
    return max(result.collapse_rate(decoding, max(COMPLETION_BYTES), num_prompts) for decoding in DECODINGS)


def signal_table(study: SignalStudy) -> str:
    """Return how each score varies over architectures and seeds."""
    ranked_scores = [RankedScore("bits per byte", bits_per_byte)]
    for decoding in DECODINGS_STUDIED:
        for length in COMPLETION_BYTES:
            ranked_scores.append(RankedScore(f"collapse, {decoding}, {length} bytes", _collapse(decoding, length)))
    for weight in (0.25, 0.5, 1.0, 2.0):
        ranked_scores.append(RankedScore(f"fitness, collapse weight {weight:g}", study_fitness(study, weight)))
    rows = []
    for ranked_score in ranked_scores:
        scores = study.scores(ranked_score.score)
        signal = signal_of(scores)
        with_bpb = spearman(scores.mean(axis=1), study.scores(bits_per_byte).mean(axis=1))
        rows.append(
            (
                ranked_score.name,
                *_signal_cells(signal),
                f"{signal.rank_correlation:.2f}",
                f"{signal.gap:.1f}",
                f"{with_bpb:.2f}",
            )
        )
    header = (
        "figure", "mean", "SD between architectures", "SD between seeds", "architecture's share of the variance",
        "Spearman seed to seed", "median to best, seed SDs", "Spearman with bits per byte",
    )  # fmt: skip
    return markdown(header, rows)


def conditions(study: SignalStudy) -> str:
    """Return lines that say whether the settings of the space meet the bars."""
    best = study.ranked()[0]
    edges = edges_hit(study.space, best)
    lines = [
        f"- Best of the {len(study.candidates)} by bits per byte: {best.architecture.describe()}, "
        f"lr_multiplier {best.lr_multiplier:.2f}. On the edge of its range: {', '.join(edges) or 'nothing'}."
    ]
    for name, score in (("bits per byte", bits_per_byte), ("fitness", study_fitness(study))):
        signal = signal_of(study.scores(score))
        lines.append(
            f"- {name}: Spearman seed to seed {signal.rank_correlation:.3f} (bar {RANK_CORRELATION_BAR}, "
            f"{_met(signal.rank_correlation >= RANK_CORRELATION_BAR)}); median to best {signal.gap:.1f} seed SDs "
            f"(bar {GAP_BAR:g}, {_met(signal.gap >= GAP_BAR)})."
        )
    return "\n".join(lines)


def budget_table(study: SignalStudy) -> str:
    """Return how the ranking at the space's FLOPs agrees with that at other budgets, seeds averaged."""
    rows = []
    for factor, (count, seeds) in sorted(OTHER_BUDGETS.items()):
        chosen = study.chosen(factor)
        cells = []
        for score in (bits_per_byte, study_fitness(study), _collapse("greedy", max(COMPLETION_BYTES))):
            own = study.scores(score, candidates=chosen).mean(axis=1)
            other = study.scores(score, candidates=chosen, factor=factor, seeds=seeds).mean(axis=1)
            cells.append(f"{spearman(own, other):.2f}")
        at_budget = study.scores(bits_per_byte, candidates=chosen, factor=factor, seeds=seeds).mean(axis=1)
        best = chosen[int(np.argmin(at_budget))].architecture.describe()
        rows.append((f"{factor:.3g} C", str(count), str(len(seeds)), *cells, f"{at_budget.min():.3f}", best))
    header = (
        "budget", "architectures", "seeds", "Spearman with C: bits per byte", "fitness", "greedy collapse",
        "best bits per byte", "best architecture",
    )  # fmt: skip
    return markdown(header, rows)


def validation_table(study: SignalStudy) -> str:
    """Return the error of a part of the validation text, between two architectures, relative to the seeds' SD."""
    bits = study.block_bits()
    whole = bits.sum(axis=2)
    num_bytes = bits.shape[2] * BLOCK_BYTES
    seed_sd = signal_of(study.scores(bits_per_byte)).seed
    rows = []
    count = 2
    while count < bits.shape[2]:
        starts = range(0, bits.shape[2] - count + 1, count)
        parts = np.stack([bits[:, :, start : start + count].sum(axis=2) for start in starts], axis=-1)
        differences = parts / (count * BLOCK_BYTES) - whole[..., None] / num_bytes
        error = paired_error(differences.reshape(len(bits), -1))
        rows.append((f"{count * BLOCK_BYTES:,}", str(len(starts)), f"{error:.4f}", f"{error / seed_sd:.2f}"))
        count *= 2
    header = ("bytes", "parts", "SD against the whole, between architectures", "in seed SDs")
    return markdown(header, rows)


def prompts_table(study: SignalStudy) -> str:
    """Return the error that a number of prompts leaves in a collapse rate at 200 bytes, and the seeds' SD.

    One rate: sqrt(p (1 - p) / n). Between two architectures on the same prompts: the standard deviation of
    their difference, prompt by prompt, over sqrt(2 n), as an error of each.
    """
    rows = []
    for decoding in DECODINGS_STUDIED:
        digits = study.collapsed(decoding, max(COMPLETION_BYTES))
        seed_sd = signal_of(digits.mean(axis=2)).seed
        single = np.sqrt((digits.mean(axis=2) * (1 - digits.mean(axis=2))).mean())
        paired = np.sqrt(_difference_variance(digits[:, 0]) / 2)
        for count in (32, 64, 128, 256, 512):
            rows.append(
                (decoding, str(count), f"{single / count**0.5:.3f}", f"{paired / count**0.5:.3f}", f"{seed_sd:.3f}")
            )
    header = (
        "decoding", "prompts", "SD of one rate", "of a rate compared with another on the same prompts",
        f"SD between seeds, {NUM_PROMPTS} prompts",
    )  # fmt: skip
    return markdown(header, rows)


def architecture_table(study: SignalStudy) -> str:
    """Return the scores of all architectures by seed, best first."""
    scores = study.scores(bits_per_byte)
    greedy = study.scores(_collapse("greedy", max(COMPLETION_BYTES)))
    rows = []
    for candidate in study.ranked():
        index = list(study.candidates).index(candidate)
        rows.append(
            (
                candidate.architecture.describe(),
                f"{candidate.lr_multiplier:.2f}",
                str(study.result(candidate, 1.0, SEEDS[0]).num_steps),
                _values(scores[index]),
                _values(greedy[index], digits=2),
            )
        )
    return markdown(("architecture", "lr_multiplier", "steps", "bits per byte, by seed", "greedy collapse"), rows)


def _collapse(decoding: str, num_bytes: int) -> Callable[[TrainingResult], float]:
    return lambda result: result.collapse_rate(decoding, num_bytes)


def _signal_cells(signal: Signal) -> tuple[str, str, str, str]:
    return f"{signal.mean:.3f}", f"{signal.between:.3f}", f"{signal.seed:.3f}", f"{signal.share:.2f}"


def _difference_variance(digits: NDArray[np.float64]) -> float:
    """Return the variance over prompts of the difference of two architectures, the mean over all pairs.

    `digits`: (A, P).
    """
    pairs = [digits[first] - digits[second] for first in range(len(digits)) for second in range(first)]
    return float(np.mean([pair.var() for pair in pairs]))


def _met(holds: bool) -> str:
    return "met" if holds else "missed"


def _values(values: Scores, digits: int = 3) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)
