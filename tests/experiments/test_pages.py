"""The tables of the pages are what the code makes of the committed data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.against_references.__main__ import tables as against_references
from experiments.document import read_tables
from experiments.full_training.runs import read_runs
from experiments.full_training.tables import tables as full_training
from experiments.half_precision.pairs import DTYPES
from experiments.half_precision.pairs import table as half_precision
from experiments.learning_rate.sweep import BATCHES, sweep_points
from experiments.learning_rate.sweep import table as learning_rate
from experiments.origin_collapse.cases import CASES
from experiments.origin_collapse.measurements import read_cases
from experiments.origin_collapse.tables import tables as origin_collapse
from experiments.search_benchmark.results_table import Table
from experiments.search_benchmark.tables import facts
from experiments.search_table.grid import grid_candidates, grid_space
from experiments.search_table.table import read_table
from experiments.signal.design import spread_candidates
from experiments.signal.study import NUM_ARCHITECTURES, SignalStudy
from experiments.signal.tables import tables as signal
from experiments.trainings import read_trainings
from nas.space.search_space import load_space

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"


def against_references_page() -> str:
    data = json.loads((EXPERIMENTS / "against_references/against-references.json").read_text())
    return against_references(data["searches"])


def full_training_page() -> str:
    return full_training(list(read_runs(EXPERIMENTS / "full_training/full-training.jsonl").values()))


def half_precision_page() -> str:
    folder = EXPERIMENTS / "half_precision"
    return half_precision({name: read_trainings(folder / f"half-precision.{name}.jsonl") for name in DTYPES}, 2e12)


def learning_rate_page() -> str:
    points = [point for batch in BATCHES for point in sweep_points(*batch, 2e12)]
    return learning_rate(points, read_trainings(EXPERIMENTS / "learning_rate/learning-rate.jsonl"))


def origin_collapse_page() -> str:
    results = read_cases(EXPERIMENTS / "origin_collapse/origin-collapse.jsonl")
    return origin_collapse([results[case.name] for case in CASES])


def signal_page() -> str:
    space = load_space("base")
    sizes = {name: int(name.removeprefix("bpe-")) for name in space.vocabulary_names}
    candidates = spread_candidates(space, sizes, NUM_ARCHITECTURES)
    return signal(SignalStudy(space, candidates, read_trainings(EXPERIMENTS / "signal/signal.jsonl")))


@pytest.mark.parametrize(
    ("folder", "mark", "made"),
    [
        ("against_references", "searches", against_references_page),
        ("full_training", "runs", full_training_page),
        ("half_precision", "pairs", half_precision_page),
        ("learning_rate", "sweep", learning_rate_page),
        ("origin_collapse", "cases", origin_collapse_page),
        ("signal", "tables", signal_page),
    ],
)
def test_a_page_shows_what_its_data_says(folder: str, mark: str, made: Callable[[], str]) -> None:
    shown = read_tables(EXPERIMENTS / folder / "README.md", mark)
    assert made().splitlines() == shown.splitlines()


def test_the_committed_table_is_of_the_grid() -> None:
    space = grid_space()
    table = Table(space, read_table(EXPERIMENTS / "search_table/search-table.jsonl"))
    sizes = {name: int(name.removeprefix("bpe-")) for name in space.vocabulary_names}
    assert table.cells.keys() == {candidate.architecture.id for candidate in grid_candidates(space, sizes)}
    assert read_tables(EXPERIMENTS / "search_benchmark/README.md", "tables").startswith(facts(table))


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("**/*.md")), ids=lambda path: path.parent.name)
def test_links_lead_to_files(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (path.parent / target).exists()] == []


def test_the_index_lists_every_experiment() -> None:
    index = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    commands = {path.parent.name for path in EXPERIMENTS.glob("*/__main__.py")}
    assert {name for name in commands if f"({name}/README.md)" not in index} == set()
    assert {name for name in commands if f"`python -m experiments.{name}" not in index} == set()
