"""A table of known results in the place of training: what a search is told, and the truth that it is judged by."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from experiments.search_table.__main__ import JUDGED, SEARCHED
from nas.records.study import TrialRecord
from nas.search.run_study import Scores
from nas.space.search_space import Candidate, SearchSpace


@dataclass(frozen=True)
class Cell:
    """One architecture of the grid."""

    candidate: Candidate
    rungs: tuple[Scores, ...]
    """By the first seed, the lowest rung first."""
    truth: Scores
    """By the second seed, at the top; by the first where the cell was not trained twice."""


class Table:
    """The cells of a file of experiments.search_table whose trainings all ended well."""

    def __init__(self, space: SearchSpace, records: Sequence[TrialRecord]) -> None:
        self.space = space
        self.collapse_weight = space.evaluation.collapse_weight
        judged = {one.number: one for one in records if one.seed == JUDGED and one.is_complete}
        searched = {one.number: one for one in records if one.seed == SEARCHED and one.is_complete}
        self.cells = {one.architecture.id: _cell(one, judged.get(number)) for number, one in searched.items()}
        self.fallen = [one for one in records if not one.is_complete]
        """Trainings that fell apart: to a search they fail."""

    @property
    def top_flops(self) -> float:
        return self.space.training.trial_flops

    @property
    def vocabulary_sizes(self) -> dict[str, int]:
        return {one.candidate.vocabulary: one.candidate.architecture.vocab_size for one in self.cells.values()}

    def with_rungs(self, num_rungs: int) -> SearchSpace:
        """The space with all its rungs or with the top alone."""
        training = self.space.training.model_copy(update={"num_rungs": num_rungs})
        return self.space.model_copy(update={"training": training})

    def with_swapped_seeds(self) -> Table:
        """The same with the seeds exchanged at the top: searched on the second's where it is there, judged by the
        first's.
        """
        other = copy.copy(self)
        other.cells = {
            name: replace(one, rungs=(*one.rungs[:-1], one.truth), truth=one.rungs[-1])
            for name, one in self.cells.items()
        }
        return other

    def score(self, candidate: Candidate, train_flops: float, seed: int) -> Scores:
        """What a search is told; the same whatever its seed. KeyError for what is not in the table."""
        rung = [round(one) for one in self.space.training.rung_flops].index(round(train_flops))
        return self.cells[candidate.architecture.id].rungs[rung]

    def true_fitness(self, cell: Cell) -> float:
        return self.fitness(cell.truth)

    def fitness(self, scores: Scores) -> float:
        return scores.val_bpb + self.collapse_weight * scores.collapse_rate

    @property
    def best(self) -> float:
        """The lowest true fitness there is."""
        return min(map(self.true_fitness, self.cells.values()))

    @property
    def regret_of_best_seen(self) -> float:
        """Of the cell that looks best to a search, to which one that sees all of them comes."""
        return self.true_fitness(min(self.cells.values(), key=lambda one: self.fitness(one.rungs[-1]))) - self.best


def _cell(record: TrialRecord, judged: TrialRecord | None) -> Cell:
    rungs = tuple(Scores(one.val_bpb, one.collapse_rate) for one in record.rungs)
    truth = rungs[-1] if judged is None else Scores(judged.rungs[-1].val_bpb, judged.rungs[-1].collapse_rate)
    return Cell(Candidate(record.architecture, record.vocabulary, record.lr_multiplier), rungs, truth)


def by_dimension(cells: Mapping[str, Cell], dimensions: Sequence[str]) -> dict[tuple[object, ...], Cell]:
    """Cells by the values of these keys of their architecture."""
    return {tuple(getattr(one.candidate.architecture, key) for key in dimensions): one for one in cells.values()}
