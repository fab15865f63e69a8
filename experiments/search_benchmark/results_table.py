"""A table of known results that replaces training, and the trace of a search that was replayed on it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from experiments.search_table.grid import GRID
from experiments.search_table.table import SEARCHED_SEED, TRUTH_SEED
from nas.records.trial import TrialRecord
from nas.search.callable_objective import Scores
from nas.space.search_space import Candidate, SearchSpace


@dataclass(frozen=True)
class Cell:
    """One architecture of the grid."""

    candidate: Candidate
    rungs: tuple[Scores, ...]
    """By the first seed, the lowest rung first."""
    truth: Scores
    """By the second seed, at the top; by the first where the cell was not trained twice."""

    @property
    def id(self) -> str:
        return self.candidate.architecture.id


class Table:
    """The cells of a file of experiments.search_table whose trainings all ended well."""

    def __init__(self, space: SearchSpace, records: Sequence[TrialRecord]) -> None:
        self.space = space
        self.collapse_weight = space.evaluation.collapse_weight
        truths = {record.number: record for record in records if record.seed == TRUTH_SEED and record.is_complete}
        searched = [record for record in records if record.seed == SEARCHED_SEED and record.is_complete]
        self.cells = {record.architecture.id: _cell(record, truths.get(record.number)) for record in searched}
        self.failed = [record for record in records if not record.is_complete]
        """Trainings without a result; a search that asks for one sees a failed trial."""

    @property
    def top_flops(self) -> float:
        return self.space.training.trial_flops

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        candidates = [cell.candidate for cell in self.cells.values()]
        return {candidate.vocabulary: candidate.architecture.vocab_size for candidate in candidates}

    def with_rungs(self, num_rungs: int) -> SearchSpace:
        """Return the space with this number of rungs: all of them, or the top alone."""
        training = self.space.training.model_copy(update={"num_rungs": num_rungs})
        return self.space.model_copy(update={"training": training})

    def with_swapped_seeds(self) -> Table:
        """Return the table with the seeds exchanged at the top, where a cell has both."""
        other = copy.copy(self)
        other.cells = {
            name: replace(cell, rungs=(*cell.rungs[:-1], cell.truth), truth=cell.rungs[-1])
            for name, cell in self.cells.items()
        }
        return other

    def score(self, candidate: Candidate, train_flops: float, seed: int) -> Scores:
        """Return what a search sees, the same for each of its seeds; KeyError for what is not in the table."""
        rung = [round(flops) for flops in self.space.training.rung_flops].index(round(train_flops))
        return self.cells[candidate.architecture.id].rungs[rung]

    def true_fitness(self, cell: Cell) -> float:
        return self.fitness(cell.truth)

    def fitness(self, scores: Scores) -> float:
        return scores.val_bpb + self.collapse_weight * scores.collapse_rate

    @property
    def best(self) -> float:
        """The lowest true fitness in the table."""
        return min(map(self.true_fitness, self.cells.values()))

    @property
    def regret_of_best_seen(self) -> float:
        """The true regret of the cell that looks best: what a search that sees every cell ends at."""
        looks_best = min(self.cells.values(), key=lambda cell: self.fitness(cell.rungs[-1]))
        return self.true_fitness(looks_best) - self.best

    def by_point(self) -> dict[tuple[object, ...], Cell]:
        """Return the cells by their values in the dimensions of the grid."""
        return {
            tuple(getattr(cell.candidate.architecture, name) for name in GRID): cell for cell in self.cells.values()
        }


def _cell(record: TrialRecord, truth: TrialRecord | None) -> Cell:
    rungs = tuple(Scores(rung.val_bpb, rung.collapse_rate) for rung in record.rungs)
    true_scores = rungs[-1] if truth is None else Scores(truth.rungs[-1].val_bpb, truth.rungs[-1].collapse_rate)
    return Cell(Candidate(record.architecture, record.vocabulary, record.lr_multiplier), rungs, true_scores)


def grid_values(points: Mapping[tuple[object, ...], Cell]) -> dict[str, list[object]]:
    """Return the values of each dimension of the grid, sorted as text."""
    return {name: sorted({point[index] for point in points}, key=str) for index, name in enumerate(GRID)}


class Step(NamedTuple):
    """One result that a search paid for."""

    spent_flops: float
    """All FLOPs that the search has spent when the result is there."""
    architecture_id: str
    is_top: bool
    """Only what is trained to the end can be chosen."""


Trace = Sequence[Step]
SearchMethod = Callable[[Table, int, float], Trace]
"""(table, seed, FLOPs to spend) -> what the search paid for, in order."""
