"""`python -m experiments.search_table`: train every cell of a grid through all rungs, once and for all.

Searches can then be replayed on the table in seconds (experiments.search_benchmark). The first seed is what they
look at. The half of the cells that is best by it is trained once more with a second, to the top alone: the truth that
what they choose is judged by. A line a training is appended as it ends; the command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli

if TYPE_CHECKING:
    from nas.data.prepared import PreparedData
    from nas.records.study import TrialRecord
    from nas.search.executors.workers import WorkerPool
    from nas.space.search_space import Candidate, SearchSpace
    from nas.training.numerics import Numerics
    from nas.trial.run import TrialSettings

DATA = Path("experiments/search_table/search-table.jsonl")
SEARCHED, JUDGED = 0, 1
"""The seeds."""


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.search_table", "Train a grid of architectures through all rungs.")
    built.add_argument("--corpus", default="stdlib", metavar="NAME|PATH", help="as in nas.search (default: stdlib)")
    built.add_argument("--trial-flops", type=cli.positive_float, metavar="N", help="of the top rung (default: base's)")
    built.add_argument("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: cpu)")
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="processes (default: one a core)")
    built.add_argument("--hours", type=cli.positive_float, metavar="H", help="begin no cell after this many hours")
    built.add_argument("--data", type=Path, default=DATA, metavar="FILE", help=f"one line a cell (default: {DATA})")
    built.add_argument("--trunks", type=Path, default=Path("runs/search-table"), metavar="DIR", help="for a while")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.search_benchmark.table_space import cells, table_space
    from nas.data.prepare import prepare_data
    from nas.search.executors.workers import WorkerPool
    from nas.system.files import write_text
    from nas.system.machine import available_cores
    from nas.training.numerics import plan_numerics

    space = table_space(arguments.trial_flops)
    data = prepare_data(arguments.corpus, space.vocabulary_names)
    numerics = plan_numerics(arguments.device, threads=1)
    path: Path = arguments.data
    _check_identity(path, space, data, numerics, cli.command_line("experiments.search_table", argv))
    done = read_table(path) if path.exists() else []
    write_text(path, "".join(one.model_dump_json() + "\n" for one in done))  # without a line that a kill has torn
    deadline = time.monotonic() + 3600 * arguments.hours if arguments.hours else float("inf")
    with WorkerPool(arguments.workers or available_cores(), numerics.apply) as pool:
        table = _Table(path, space, data, numerics, arguments.trunks, pool, done)
        candidates = cells(space, data.vocabulary_sizes)
        finished = table.fill(SEARCHED, list(enumerate(candidates)), deadline)
        if finished:
            best = best_half([one for one in table.done if one.seed == SEARCHED])
            finished = table.fill(JUDGED, [(number, candidates[number]) for number in best], deadline)
    print(f"{'complete' if finished else 'to be gone on with'}: {len(table.done)} trainings in {path}")
    return 0


def read_table(path: Path) -> list[TrialRecord]:
    """The trainings of a table, in the order they ended; StudyError when the file is damaged."""
    from nas.errors import StudyError
    from nas.records.json_lines import read_json_lines
    from nas.records.study import TrialRecord

    return read_json_lines(path, TrialRecord, "training", StudyError)


def best_half(records: Sequence[TrialRecord]) -> list[int]:
    """Numbers of the better half of the cells by fitness, the best first."""
    from nas.records.study import completed

    return [one.number for one in completed(records)[: len(records) // 2]]


def train_cell(
    number: int, candidate: Candidate, data: PreparedData, settings: TrialSettings, trunk: Path, *, only_top: bool
) -> TrialRecord:
    """One cell through all rungs, or at the top alone; PRUNED with its reason where it falls apart."""
    from nas.trial.run import TrialPaths, run_trial

    record = None
    for rung in [-1] if only_top else range(settings.training.num_rungs):
        found = run_trial(candidate, data, settings, TrialPaths(trunk=trunk), number=number, rung=rung)
        record = found.after(record)
        if not record.is_complete:
            break
    trunk.unlink(missing_ok=True)
    assert record is not None
    return record


class _Table:
    """The file, and the workers that fill it."""

    def __init__(
        self,
        path: Path,
        space: SearchSpace,
        data: PreparedData,
        numerics: Numerics,
        trunks: Path,
        pool: WorkerPool,
        done: list[TrialRecord],
    ) -> None:
        self.done = done
        self._path, self._space, self._data, self._numerics = path, space, data, numerics
        self._trunks, self._pool = trunks, pool

    def fill(self, seed: int, wanted: Sequence[tuple[int, Candidate]], deadline: float) -> bool:
        """Train those of `wanted` that are missing, none begun after `deadline`; whether all are there now."""
        from functools import partial

        from nas.errors import StudyError
        from nas.records.study import TrialRecord
        from nas.trial.run import TrialSettings

        space = self._space
        settings = TrialSettings(space.training, space.evaluation, space.prompt_bytes, self._numerics, seed)
        known = {one.number for one in self.done if one.seed == seed}
        missing = [(number, candidate) for number, candidate in wanted if number not in known]
        running = 0
        while missing or running:
            while missing and self._pool.num_free and time.monotonic() < deadline:
                number, candidate = missing.pop(0)
                trunk = self._trunks / f"{number:04d}-seed{seed}.safetensors"
                task = partial(train_cell, number, candidate, self._data, settings, trunk, only_top=seed == JUDGED)
                self._pool.submit(number, task)
                running += 1
            if not running:
                return False
            for ended in self._pool.wait():
                running -= 1
                if not isinstance(ended.value, TrialRecord):
                    raise StudyError(f"cell {ended.key} failed: {ended.error}")
                self._append(ended.value)
                left = len(missing) + running
                print(f"seed {seed}, {left} to go: {_line(ended.value)}", file=sys.stderr, flush=True)
        return True

    def _append(self, record: TrialRecord) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
        self.done.append(record)


def _line(record: TrialRecord) -> str:
    scores = " ".join(f"{rung.fitness:.3f}" for rung in record.rungs)
    return f"cell {record.number} {record.architecture.describe()}: fitness {scores}{record.reason or ''}"


def _check_identity(path: Path, space: SearchSpace, data: PreparedData, numerics: Numerics, command: str) -> None:
    """Write beside the table what it is of; StudyMismatch where it is of something else."""
    from nas.search.identity import check_identity, study_identity
    from nas.system.files import write_json
    from nas.system.provenance import provenance

    identity = study_identity(space, data.corpus_hash, 0, SEARCHED, "grid", ["fitness"], numerics)
    file = path.with_suffix(".provenance.json")
    if file.exists():
        check_identity(path.stem, json.loads(file.read_text(encoding="utf-8"))["identity"], identity)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"identity": identity, **provenance(command, num_workers=1)})


if __name__ == "__main__":
    cli.run(main, "experiments.search_table")
