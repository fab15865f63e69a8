"""The table of trainings: a cell for each architecture of a grid, trained through all rungs, one JSON line each."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from experiments.results_file import ResultsFile, read_results
from nas.architecture.config import ArchitectureConfig
from nas.data.prepared import PreparedData
from nas.errors import StudyError
from nas.records.trial import TrialRecord, completed
from nas.search.executors.executor import Executor, Task, run_tasks
from nas.search.identity import study_identity
from nas.space.search_space import Candidate, SearchSpace
from nas.training.numerics import Numerics
from nas.trial.run import TrialPaths, TrialSettings, run_trial

PATH = Path("experiments/search_table/search-table.jsonl")
SEARCHED_SEED, TRUTH_SEED = 0, 1
"""Searches see the results of the first; the second says how good their choice is."""


def read_table(path: Path) -> list[TrialRecord]:
    """Return the trainings of a table in the order they ended; StudyError when a line is damaged."""
    return list(read_results(path, TrialRecord, _key).values())


def best_half(records: Sequence[TrialRecord]) -> list[int]:
    """Return the numbers of the better half of the cells by fitness, the best first."""
    return [record.number for record in completed(records)[: len(records) // 2]]


def train_cell(
    number: int, candidate: Candidate, data: PreparedData, settings: TrialSettings, trunk: Path, *, only_top: bool
) -> TrialRecord:
    """Train one cell through all rungs, or to the top alone; its record says why it ended early, if it did."""
    record = None
    for rung in [-1] if only_top else range(settings.training.num_rungs):
        result = run_trial(candidate, data, settings, TrialPaths(trunk=trunk), number=number, rung=rung)
        record = result.after(record)
        if not record.is_complete:
            break
    trunk.unlink(missing_ok=True)
    assert record is not None
    return record


class SearchTable:
    """The file of the table and what is needed to fill it."""

    def __init__(
        self, path: Path, space: SearchSpace, data: PreparedData, numerics: Numerics, command: str, num_workers: int
    ) -> None:
        """Open or begin the file; StudyMismatch when it is of another space, corpus, version or device."""
        identity = study_identity(space, data.corpus_hash, 0, SEARCHED_SEED, "grid", ["fitness"], numerics)
        self.results = ResultsFile(path, TrialRecord, _key, identity=identity, command=command, num_workers=num_workers)
        self._space, self._data, self._numerics = space, data, numerics

    def of_seed(self, seed: int) -> list[TrialRecord]:
        """Return the trainings with this seed."""
        return [record for record in self.results.values() if record.seed == seed]

    def fill(
        self, pool: Executor, seed: int, cells: Sequence[tuple[int, Candidate]], trunks: Path, deadline: float
    ) -> bool:
        """Train the missing ones of `cells`, none started after `deadline`, and return whether all are there."""
        missing = [
            (number, candidate)
            for number, candidate in cells
            if not self.results.has(_key_of(number, seed), architecture=_json(candidate.architecture))
        ]
        left = len(missing)
        for ended in run_tasks(pool, self._tasks(missing, seed, trunks, deadline)):
            if not isinstance(ended.value, TrialRecord):
                raise StudyError(f"cell {ended.key} failed: {ended.error}")
            self.results.add(ended.value)
            left -= 1
            print(f"seed {seed}, {left} to go: {_line(ended.value)}", file=sys.stderr, flush=True)
        return not left

    def _tasks(
        self, cells: Sequence[tuple[int, Candidate]], seed: int, trunks: Path, deadline: float
    ) -> Iterator[tuple[int, Task]]:
        space = self._space
        settings = TrialSettings(space.training, space.evaluation, space.prompt_bytes, self._numerics, seed)
        for number, candidate in cells:
            if time.monotonic() >= deadline:
                return
            trunk = trunks / f"{number:04d}-seed{seed}.safetensors"
            only_top = seed == TRUTH_SEED
            yield number, partial(train_cell, number, candidate, self._data, settings, trunk, only_top=only_top)


def _key(record: TrialRecord) -> str:
    return _key_of(record.number, record.seed)


def _key_of(number: int, seed: int) -> str:
    return f"cell {number} seed {seed}"


def _json(architecture: ArchitectureConfig) -> dict[str, Any]:
    return architecture.model_dump(mode="json")


def _line(record: TrialRecord) -> str:
    scores = " ".join(f"{rung.fitness:.3f}" for rung in record.rungs)
    return f"cell {record.number} {record.architecture.describe()}: fitness {scores}{record.reason or ''}"
