"""Comparing finalists: is the best better than the others, or is the difference what another seed would make?

Each finalist was trained with the same few seeds: a randomised block design. Each is compared with the best by a
paired t test whose variance is pooled over all of them, ((k - 1)(s - 1) degrees of freedom for k finalists and s seeds;
Montgomery, Design and Analysis of Experiments, chapter 4), the k - 1 p-values by Holm's procedure (1979). The holdout's
text is the same for all and taken as given: what another text would say is not in the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    """The means of one finalist over its seeds (of perplexity the geometric), and how it stands beside the best."""

    number: int
    fitness: float
    bpb: float
    novel_bpb: float | None
    perplexity: float
    sampled_collapse_rate: float
    greedy_collapse_rate: float
    num_seeds: int
    behind: float = 0.0
    """Its fitness minus that of the best."""
    half_width: float | None = None
    """Of the 95% interval of `behind`; None for the best, and where one seed leaves nothing to know it by."""
    p_value: float | None = None
    """Two-sided, by Holm's procedure."""

    @property
    def collapse_rate(self) -> float:
        return max(self.sampled_collapse_rate, self.greedy_collapse_rate)

    @property
    def is_worse(self) -> bool:
        return self.p_value is not None and self.p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Comparison:
    """The finalists, best mean fitness first, and the one that is taken."""

    finalists: tuple[Finalist, ...]
    failed: tuple[HoldoutResult, ...]
    """Trainings that fell apart; their finalists are not compared."""
    chosen: int
    """The best, or the smallest of those that are not significantly worse."""
    reason: str

    @property
    def best(self) -> Finalist:
        return self.finalists[0]


def compare_finalists(
    results: Sequence[HoldoutResult], architectures: Mapping[int, ArchitectureConfig], collapse_weight: float
) -> Comparison | None:
    """None where no finalist was judged with all the seeds."""
    failed = tuple(one for one in results if one.metrics is None)
    fallen = {one.number for one in failed}
    seeds = {one.seed for one in results}
    by_number: dict[int, dict[int | None, HoldoutResult]] = {}
    for one in results:
        if one.number not in fallen:
            by_number.setdefault(one.number, {})[one.seed] = one
    whole = {number: [runs[seed] for seed in seeds] for number, runs in by_number.items() if len(runs) == len(seeds)}
    if not whole:
        return None
    found = sorted((_means(number, runs, collapse_weight) for number, runs in whole.items()), key=_by_fitness)
    values = np.array([[_worth(run, collapse_weight) for run in whole[one.number]] for one in found])
    compared = _compared(found, values)
    chosen, reason = _choose(compared, architectures)
    return Comparison(compared, failed, chosen, reason)


def chosen_trial(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> TrialRecord | None:
    """The trial whose architecture the verdict takes; before there is one, the best on validation."""
    by_number = {one.number: one for one in records}
    found = comparison_of(study, records, collapse_weight)
    return by_number[found.chosen] if found else next(iter(completed(records)), None)


def comparison_of(study: StudyRecord, records: Sequence[TrialRecord], collapse_weight: float) -> Comparison | None:
    """Of a study's finalists; None before the verdict."""
    architectures = {one.number: one.architecture for one in records}
    known = [one for one in study.verdict if one.number in architectures]
    return compare_finalists(known, architectures, collapse_weight)


def _by_fitness(one: Finalist) -> tuple[float, int]:
    return one.fitness, one.number


def _worth(result: HoldoutResult, collapse_weight: float) -> float:
    assert result.metrics is not None
    return fitness(result.metrics.bpb, result.metrics.collapse_rate, collapse_weight)


def _means(number: int, runs: Sequence[HoldoutResult], collapse_weight: float) -> Finalist:
    judged = [run.metrics for run in runs if run.metrics is not None]
    novel = [one.novel_bpb for one in judged if one.novel_bpb is not None]
    return Finalist(
        number=number,
        fitness=float(np.mean([_worth(run, collapse_weight) for run in runs])),
        bpb=float(np.mean([one.bpb for one in judged])),
        novel_bpb=float(np.mean(novel)) if novel else None,
        perplexity=float(np.exp(np.mean([np.log(one.perplexity) for one in judged]))),
        sampled_collapse_rate=float(np.mean([one.sampled_collapse_rate for one in judged])),
        greedy_collapse_rate=float(np.mean([one.greedy_collapse_rate for one in judged])),
        num_seeds=len(runs),
    )


def _compared(found: Sequence[Finalist], values: NDArray[np.float64]) -> tuple[Finalist, ...]:
    """`values`: fitness, (finalists, seeds), the best first."""
    count, num_seeds = values.shape
    freedom = (count - 1) * (num_seeds - 1)
    behind = values.mean(axis=1) - values[0].mean()
    if not freedom:
        return tuple(_beside(one, float(gap), None, None) for one, gap in zip(found, behind, strict=True))
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    error = float(np.sqrt(2 * (residual**2).sum() / freedom / num_seeds))
    half_width = float(stdtrit(freedom, 1 - 0.05 / 2)) * error
    p_values = [float(2 * stdtr(freedom, -gap / error)) if error else float(gap == 0) for gap in behind[1:]]
    rest = zip(found[1:], behind[1:], _holm(p_values), strict=True)
    return (found[0], *(_beside(one, float(gap), half_width, p_value) for one, gap, p_value in rest))


def _beside(one: Finalist, behind: float, half_width: float | None, p_value: float | None) -> Finalist:
    values = {**vars(one), "behind": behind, "half_width": half_width, "p_value": p_value}
    return Finalist(**values)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given."""
    adjusted, least = [0.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return adjusted


def _choose(compared: Sequence[Finalist], architectures: Mapping[int, ArchitectureConfig]) -> tuple[int, str]:
    best = compared[0]
    if len(compared) == 1:
        return best.number, "there is no other to compare it with"
    if all(one.p_value is None for one in compared[1:]):
        return best.number, "the best on the holdout; one seed cannot tell whether by more than chance"
    equals = [best, *(one for one in compared[1:] if not one.is_worse)]
    if len(equals) == 1:
        return best.number, "significantly better on the holdout than every other finalist"
    smallest = min(equals, key=lambda one: (architectures[one.number].num_params, one.fitness))
    if smallest is best:
        return best.number, "the best on the holdout, and the smallest of those that do not differ significantly"
    return smallest.number, (
        f"no significant difference to the best, trial {best.number} ({smallest.behind:+.3f} in fitness, "
        f"p = {smallest.p_value:.2f}), and smaller"
    )
