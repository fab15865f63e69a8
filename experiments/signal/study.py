"""The plan of the signal study and its scores as arrays.

A architectures, S seeds, B blocks of validation text, P prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.signal.variance import Scores
from experiments.trainings import Trained, Trainings, Wanted
from nas.space.search_space import Candidate, SearchSpace
from nas.system.machine import available_cores

NUM_ARCHITECTURES = 24
SEEDS = (0, 1, 2)
ELSEWHERE = {10.0: (4, (0,)), 3.0: (8, (0,)), 1 / 3: (8, (0,))}
"""Budget over the space's own -> how many architectures, and with which seeds. Longest first."""


@dataclass(frozen=True)
class SignalStudy:
    """Which trainings there are, and what they scored."""

    space: SearchSpace
    candidates: Sequence[Candidate]
    trainings: Trainings

    def run(self, workers: int | None, deadline: float) -> bool:
        """Do what is missing; whether all of it is there now."""
        num_workers = workers or available_cores()
        own = [self.wanted(candidate, 1.0, seed) for seed in SEEDS for candidate in self.candidates]
        if not self.trainings.run(own, num_workers, deadline):
            return False
        elsewhere = [
            self.wanted(candidate, factor, seed)
            for factor, (_, seeds) in ELSEWHERE.items()
            for seed in seeds
            for candidate in self.chosen(factor)
        ]
        return self.trainings.run(elsewhere, num_workers, deadline)

    def wanted(self, candidate: Candidate, factor: float, seed: int) -> Wanted:
        training = self.space.training
        scaled = training.model_copy(update={"trial_flops": factor * training.trial_flops})
        return Wanted(candidate, scaled, seed, generates=True)

    def ranked(self) -> list[Candidate]:
        """Best first, by mean bits per byte at the space's own FLOPs."""
        means = self.scores(lambda one: one.val_bpb).mean(axis=1)
        return [self.candidates[index] for index in np.argsort(means, kind="stable")]

    def chosen(self, factor: float) -> list[Candidate]:
        """Those trained at another budget: evenly spaced in rank, best and worst among them."""
        count = ELSEWHERE[factor][0]
        places = np.linspace(0, len(self.candidates) - 1, count).round().astype(int)
        return [self.ranked()[place] for place in places]

    def scores(
        self,
        score: Callable[[Trained], float],
        *,
        candidates: Sequence[Candidate] | None = None,
        factor: float = 1.0,
        seeds: Sequence[int] = SEEDS,
    ) -> Scores:
        """(A, S) scores of trainings at one budget."""
        chosen = self.candidates if candidates is None else candidates
        rows = [[score(self.trainings.of(self.wanted(one, factor, seed))) for seed in seeds] for one in chosen]
        return np.array(rows)

    def block_bits(self) -> NDArray[np.float64]:
        """(A, S, B) bits of each block of validation text."""
        return np.array([[self._own(one, seed).block_bits for seed in SEEDS] for one in self.candidates])

    def collapsed(self, decoding: str, num_bytes: int) -> NDArray[np.float64]:
        """(A, S, P) of 0 and 1."""
        rows = [
            [list(map(int, self._own(one, seed).collapsed[decoding][num_bytes])) for seed in SEEDS]
            for one in self.candidates
        ]
        return np.array(rows, dtype=np.float64)

    def _own(self, candidate: Candidate, seed: int) -> Trained:
        return self.trainings.of(self.wanted(candidate, 1.0, seed))
