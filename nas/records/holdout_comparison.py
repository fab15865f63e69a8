"""The comparison of finalists: whether the best is better than the others by more than the noise of seeds.

Each finalist was trained with the same few seeds: a randomised block design. Each is compared with the best by a
paired t test whose variance is pooled over all of them: (k - 1)(s - 1) degrees of freedom for k finalists and s seeds
(Montgomery, Design and Analysis of Experiments, chapter 4). The k - 1 p-values are adjusted by Holm's procedure (1979).
All finalists are evaluated on the same holdout text; what another text would show is not part of the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from nas.architecture.config import ArchitectureConfig
from nas.records.fitness import fitness
from nas.records.study import HoldoutResult, StudyRecord
from nas.records.trial import TrialRecord, completed

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Finalist:
    """The means of one finalist over its seeds (geometric for perplexity), and its comparison with the best."""

    number: int
    fitness: float
    bpb: float
    novel_bpb: float | None
    perplexity: float
    sampled_collapse_rate: float
    greedy_collapse_rate: float
    num_seeds: int
    gap: float = 0.0
    """Fitness minus the fitness of the best."""
    half_width: float | None = None
    """Half the width of the 95% interval of `gap`; None for the best, and if one seed cannot tell."""
    p_value: float | None = None
    """Two-sided, adjusted by Holm's procedure."""

    @property
    def collapse_rate(self) -> float:
        """The collapse rate of the worse decoding."""
        return max(self.sampled_collapse_rate, self.greedy_collapse_rate)

    @property
    def is_worse(self) -> bool:
        """Whether the finalist is significantly worse than the best."""
        return self.p_value is not None and self.p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Comparison:
    """The finalists, best mean fitness first, and which one is chosen."""

    finalists: tuple[Finalist, ...]
    failed: tuple[HoldoutResult, ...]
    """Trainings without metrics, such as diverged ones; their finalists are not compared."""
    chosen: int
    """Number of the best, or of the smallest finalist that is not significantly worse."""
    reason: str

    @property
    def best(self) -> Finalist:
        """The finalist with the best mean fitness."""
        return self.finalists[0]


def compare_finalists(
    results: Sequence[HoldoutResult], architectures: Mapping[int, ArchitectureConfig], collapse_weight: float
) -> Comparison | None:
    """Compare the finalists that have metrics for every seed; None if there are none."""
    failed = tuple(result for result in results if result.metrics is None)
    failed_numbers = {result.number for result in failed}
    seeds = {result.seed for result in results}
    by_number: dict[int, dict[int, HoldoutResult]] = {}
    for result in results:
        if result.number not in failed_numbers:
            by_number.setdefault(result.number, {})[result.seed] = result
    whole = {number: [runs[seed] for seed in seeds] for number, runs in by_number.items() if len(runs) == len(seeds)}
    if not whole:
        return None
    ranked = sorted((_means(number, runs, collapse_weight) for number, runs in whole.items()), key=_rank)
    values = np.array([[_fitness(run, collapse_weight) for run in whole[finalist.number]] for finalist in ranked])
    compared = _compare(ranked, values)
    chosen, reason = _choose(compared, architectures)
    return Comparison(compared, failed, chosen, reason)


def chosen_trial(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> TrialRecord | None:
    """Return the trial whose architecture the verdict chose; before the verdict, the best trial on validation."""
    by_number = {record.number: record for record in records}
    comparison = comparison_of(study, records, collapse_weight)
    return by_number[comparison.chosen] if comparison else next(iter(completed(records)), None)


def comparison_of(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> Comparison | None:
    """Return the comparison of a study's finalists; None before the verdict."""
    architectures = {record.number: record.architecture for record in records}
    known = [result for result in study.verdict if result.number in architectures]
    return compare_finalists(known, architectures, collapse_weight)


def _rank(finalist: Finalist) -> tuple[float, int]:
    return finalist.fitness, finalist.number


def _fitness(result: HoldoutResult, collapse_weight: float) -> float:
    assert result.metrics is not None
    return fitness(result.metrics.bpb, result.metrics.collapse_rate, collapse_weight)


def _means(number: int, runs: Sequence[HoldoutResult], collapse_weight: float) -> Finalist:
    all_metrics = [run.metrics for run in runs if run.metrics is not None]
    novel = [metrics.novel_bpb for metrics in all_metrics if metrics.novel_bpb is not None]
    return Finalist(
        number=number,
        fitness=float(np.mean([_fitness(run, collapse_weight) for run in runs])),
        bpb=float(np.mean([metrics.bpb for metrics in all_metrics])),
        novel_bpb=float(np.mean(novel)) if novel else None,
        perplexity=float(np.exp(np.mean([np.log(metrics.perplexity) for metrics in all_metrics]))),
        sampled_collapse_rate=float(np.mean([metrics.sampled_collapse_rate for metrics in all_metrics])),
        greedy_collapse_rate=float(np.mean([metrics.greedy_collapse_rate for metrics in all_metrics])),
        num_seeds=len(runs),
    )


def _compare(ranked: Sequence[Finalist], values: NDArray[np.float64]) -> tuple[Finalist, ...]:
    """Return the finalists with their gaps to the best; `values` is fitness (finalists, seeds), the best first."""
    count, num_seeds = values.shape
    freedom = (count - 1) * (num_seeds - 1)
    gaps = [float(gap) for gap in values.mean(axis=1) - values[0].mean()]
    if not freedom:
        return tuple(replace(finalist, gap=gap) for finalist, gap in zip(ranked, gaps, strict=True))
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    error = float(np.sqrt(2 * (residual**2).sum() / freedom / num_seeds))
    half_width = float(stdtrit(freedom, 1 - 0.05 / 2)) * error
    p_values = [float(2 * stdtr(freedom, -gap / error)) if error else float(gap == 0) for gap in gaps[1:]]
    others = zip(ranked[1:], gaps[1:], _holm(p_values), strict=True)
    compared = (replace(finalist, gap=gap, half_width=half_width, p_value=p_value) for finalist, gap, p_value in others)
    return (ranked[0], *compared)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values in the order given."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _choose(compared: Sequence[Finalist], architectures: Mapping[int, ArchitectureConfig]) -> tuple[int, str]:
    best = compared[0]
    if len(compared) == 1:
        return best.number, "there is no other finalist to compare it with"
    if all(finalist.p_value is None for finalist in compared[1:]):
        return best.number, "the best on the holdout; one seed cannot tell whether by more than chance"
    equals = [best, *(finalist for finalist in compared[1:] if not finalist.is_worse)]
    if len(equals) == 1:
        return best.number, "significantly better on the holdout than every other finalist"
    smallest = min(equals, key=lambda finalist: (architectures[finalist.number].num_params, finalist.fitness))
    if smallest is best:
        return best.number, "the best on the holdout, and the smallest of those that do not differ significantly"
    return smallest.number, (
        f"not significantly different from the best, trial {best.number} ({smallest.gap:+.3f} in fitness, "
        f"p = {smallest.p_value:.2f}), and smaller"
    )
