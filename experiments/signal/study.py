"""The plan of the signal experiment and its scores as arrays.

A architectures, S seeds, B blocks of validation text, P prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.signal.variance import Scores
from experiments.trainings import TrainingResult, TrainingSpec
from nas.space.search_space import Candidate, SearchSpace

NUM_ARCHITECTURES = 24
SEEDS = (0, 1, 2)
OTHER_BUDGETS = {10.0: (4, (0,)), 3.0: (8, (0,)), 1 / 3: (8, (0,))}
"""Multiple of the space's own budget -> how many architectures, and with which seeds. Longest first."""


@dataclass(frozen=True)
class SignalStudy:
    """Which trainings there are, and their scores."""

    space: SearchSpace
    candidates: Sequence[Candidate]
    results: Mapping[str, TrainingResult]
    """By the key of their TrainingSpec; a results file that is being filled will do."""

    def own_budget_specs(self) -> list[TrainingSpec]:
        """Return the trainings of all architectures and seeds at the space's own budget."""
        return [self.spec(candidate, 1.0, seed) for seed in SEEDS for candidate in self.candidates]

    def other_budget_specs(self) -> list[TrainingSpec]:
        """Return the trainings at other budgets, whose architectures are chosen by those at the space's own."""
        return [
            self.spec(candidate, factor, seed)
            for factor, (_, seeds) in OTHER_BUDGETS.items()
            for seed in seeds
            for candidate in self.chosen(factor)
        ]

    def spec(self, candidate: Candidate, factor: float, seed: int) -> TrainingSpec:
        training = self.space.training
        scaled = training.model_copy(update={"trial_flops": factor * training.trial_flops})
        return TrainingSpec(candidate, scaled, seed, with_completions=True)

    def result(self, candidate: Candidate, factor: float, seed: int) -> TrainingResult:
        return self.results[self.spec(candidate, factor, seed).key]

    def ranked(self) -> list[Candidate]:
        """Return the architectures by mean bits per byte at the space's own FLOPs, best first."""
        means = self.scores(lambda result: result.val_bpb).mean(axis=1)
        return [self.candidates[index] for index in np.argsort(means, kind="stable")]

    def chosen(self, factor: float) -> list[Candidate]:
        """Return the architectures trained at another budget: evenly spaced in rank, best and worst among them."""
        count = OTHER_BUDGETS[factor][0]
        places = np.linspace(0, len(self.candidates) - 1, count).round().astype(int)
        ranked = self.ranked()
        return [ranked[place] for place in places]

    def scores(
        self,
        score: Callable[[TrainingResult], float],
        *,
        candidates: Sequence[Candidate] | None = None,
        factor: float = 1.0,
        seeds: Sequence[int] = SEEDS,
    ) -> Scores:
        """Return the (A, S) scores of trainings at one budget."""
        chosen = self.candidates if candidates is None else candidates
        rows = [[score(self.result(candidate, factor, seed)) for seed in seeds] for candidate in chosen]
        return np.array(rows)

    def block_bits(self) -> NDArray[np.float64]:
        """Return the (A, S, B) bits of each block of validation text."""
        rows = [[self.result(candidate, 1.0, seed).block_bits for seed in SEEDS] for candidate in self.candidates]
        return np.array(rows)

    def collapsed(self, decoding: str, num_bytes: int) -> NDArray[np.float64]:
        """Return (A, S, P) of 0 and 1, 1 where the completion has collapsed."""
        rows = [
            [list(map(int, self.result(candidate, 1.0, seed).collapsed[decoding][num_bytes])) for seed in SEEDS]
            for candidate in self.candidates
        ]
        return np.array(rows, dtype=np.float64)
