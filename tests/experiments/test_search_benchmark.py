from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.search_benchmark import __main__ as search_benchmark
from experiments.search_benchmark.methods import METHODS
from experiments.search_benchmark.regret import (
    flops_to_reach,
    flops_to_stay,
    hypervolumes,
    median_regret,
    regret_at,
    regret_steps,
)
from experiments.search_benchmark.results_table import Step, Table
from experiments.search_table import __main__ as search_table
from experiments.search_table.grid import grid_candidates, grid_space
from experiments.search_table.table import SEARCHED_SEED, TRUTH_SEED, best_half, read_table
from nas.errors import UsageError
from nas.records.trial import Cost, RungResult, TrialEnd, TrialRecord
from nas.space.search_space import Candidate, load_space
from nas.training.recipe import rung_cost

SPACE = grid_space()
TOP = SPACE.training.trial_flops
SIZES = {f"bpe-{size}": size for size in (512, 1024, 2048, 4096, 8192, 16384)}
CELLS = grid_candidates(SPACE, SIZES)


def record(number: int, candidate: Candidate, seed: int) -> TrialRecord:
    """Return a result from a bowl around L2 H48 V2048, with a little noise that depends on the seed."""
    shape = candidate.architecture
    off = (
        0.1 * (shape.num_layers - 2) ** 2
        + 0.2 * math.log2(shape.hidden_dim / 48) ** 2
        + 0.05 * math.log2(shape.vocab_size / 2048) ** 2
        + 0.02 * (shape.position_encoding == "alibi")
    )
    noise = 0.01 * math.sin(number * 7 + seed)
    collapse = 0.5 + 0.1 * (shape.position_encoding == "rope")
    rungs = [2 if seed == TRUTH_SEED else rung for rung in range(1 if seed == TRUTH_SEED else 3)]
    results = tuple(
        RungResult(
            rung=rung,
            train_flops=TOP / 3 ** (2 - rung),
            train_bytes=1e6,
            spent_flops=rung_cost(SPACE.training.rung_flops, rung),
            fitness=1.5 + off + noise + 0.4 * (2 - rung) + 0.25 * collapse,
            val_bpb=1.5 + off + noise + 0.4 * (2 - rung),
            collapse_rate=collapse,
        )
        for rung in rungs
    )
    return TrialRecord(
        number=number,
        end=TrialEnd.COMPLETE,
        point=candidate.point,
        architecture=shape,
        vocabulary=candidate.vocabulary,
        lr_multiplier=1.0,
        seed=seed,
        cost=Cost(
            num_params=shape.num_params,
            non_embedding_params=shape.non_embedding_params,
            train_flops_per_token=shape.train_flops_per_token(),
            train_flops=TOP,
            train_tokens=1,
            train_bytes=1.0,
            train_steps=1,
        ),
        rungs=results,
    )


def records() -> list[TrialRecord]:
    searched = [record(number, candidate, SEARCHED_SEED) for number, candidate in enumerate(CELLS)]
    return searched + [record(number, CELLS[number], TRUTH_SEED) for number in best_half(searched)]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(SPACE, records())


def test_the_grid_is_a_full_factorial_of_legal_cells() -> None:
    assert len(CELLS) == len({candidate.architecture.id for candidate in CELLS}) == 6 * 4 * 4 * 2
    assert all(max(SPACE.excess(candidate.architecture).values()) <= 0 for candidate in CELLS)


def test_the_truth_is_the_second_seeds_where_there_is_one(table: Table) -> None:
    twice = [cell for cell in table.cells.values() if cell.truth != cell.rungs[-1]]
    assert len(twice) == len(CELLS) // 2
    best = record(0, CELLS[0], SEARCHED_SEED)
    assert table.score(CELLS[0], TOP / 9, 5).val_bpb == best.rungs[0].val_bpb
    assert table.score(CELLS[0], TOP, 5).val_bpb == best.rungs[2].val_bpb


def test_with_swapped_seeds_a_search_sees_the_second_and_the_first_is_the_truth(table: Table) -> None:
    swapped = table.with_swapped_seeds()
    for name, cell in table.cells.items():
        other = swapped.cells[name]
        assert (other.rungs[-1], other.truth) == (cell.truth, cell.rungs[-1])
        assert other.rungs[:-1] == cell.rungs[:-1]
    cells = swapped.cells.values()
    looks_best = min(cells, key=lambda cell: cell.rungs[-1].val_bpb + 0.25 * cell.rungs[-1].collapse_rate)
    lowest = min(cell.truth.val_bpb + 0.25 * cell.truth.collapse_rate for cell in cells)
    truth = looks_best.truth.val_bpb + 0.25 * looks_best.truth.collapse_rate
    assert swapped.regret_of_best_seen == pytest.approx(truth - lowest)
    assert swapped.with_swapped_seeds().cells == table.cells


def test_regret_is_of_what_the_first_seed_chooses_by_the_second(table: Table) -> None:
    ranked = sorted(table.cells, key=lambda name: table.fitness(table.cells[name].rungs[-1]))
    good, bad = ranked[3], ranked[40]
    trace = [
        Step(TOP, bad, True),
        Step(1.1 * TOP, ranked[0], False),
        Step(2 * TOP, good, True),
        Step(3 * TOP, ranked[20], True),
    ]
    steps = regret_steps(trace, table)
    assert steps == [
        (TOP, table.true_fitness(table.cells[bad]) - table.best),
        (2 * TOP, table.true_fitness(table.cells[good]) - table.best),
    ]
    assert regret_at(steps, 0.5 * TOP) == math.inf
    assert regret_at(steps, 1.5 * TOP) == steps[0][1]
    assert flops_to_reach([trace, trace[:1]], table, steps[1][1]) == [2 * TOP, math.inf]
    assert list(median_regret([trace], table, [TOP, 9 * TOP])) == [steps[0][1], steps[1][1]]


def test_a_regret_that_rises_again_is_not_reached_yet() -> None:
    steps = [(1.0, 0.1), (2.0, 0.3), (3.0, 0.2), (4.0, 0.05)]
    assert [flops_to_stay(steps, regret) for regret in (0.3, 0.2, 0.1, 0.04)] == [1.0, 3.0, 4.0, math.inf]


def test_a_hypervolume_is_of_the_front_that_was_trained_to_the_end(table: Table) -> None:
    names = [name for name, cell in table.cells.items() if cell.truth != cell.rungs[-1]][:2]
    worst = max(cell.truth.val_bpb for cell in table.cells.values())
    truth = table.cells[names[0]].truth
    assert hypervolumes([[Step(TOP, names[0], True), Step(TOP, names[1], False)]], table) == [
        pytest.approx((worst - truth.val_bpb) * (1 - truth.collapse_rate))
    ]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_spends_its_flops_and_no_more(table: Table, name: str) -> None:
    trace = METHODS[name](table, 1, 12 * TOP)
    spent = [step.spent_flops for step in trace]
    assert spent == sorted(spent)
    assert 12 * TOP <= spent[-1] < 13.2 * TOP
    assert sum(step.is_top for step in trace) >= 3
    tops = [step.architecture_id for step in trace if step.is_top]
    assert len(set(tops)) == len(tops)
    assert list(METHODS[name](table, 1, 12 * TOP)) == list(trace)


def test_sorting_by_parameters_begins_with_the_largest(table: Table) -> None:
    trace = METHODS["most parameters first"](table, 0, 3 * TOP)
    largest = max(candidate.architecture.non_embedding_params for candidate in CELLS)
    assert table.cells[trace[0].architecture_id].candidate.architecture.non_embedding_params == largest


def written(folder: Path) -> Path:
    """Write the table as a file, and what of its provenance is read."""
    path = folder / "table.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in records()))
    identity = {"identity": {"space": {"training": {"trial_flops": TOP}}}}
    (folder / "table.provenance.json").write_text(json.dumps(identity))
    return path


def test_the_command_writes_figures_tables_and_data(tmp_path: Path) -> None:
    arguments = ["--table", str(written(tmp_path)), "--seeds", "2", "--gp-seeds", "1", "--budget", "6"]
    arguments += ["--workers", "1"]
    arguments += ["--data", str(tmp_path / "out.json"), "--doc", str(tmp_path / "out.md")]
    assert search_benchmark.main(arguments) == 0
    stored = json.loads((tmp_path / "out.json").read_text())
    assert stored["seeds"]["random"] == 2 and stored["seeds"]["Optuna GP"] == 1
    assert len(stored["final_regret"]["regularised evolution"]) == 2
    assert len(stored["final_regret_swapped_seeds"]["Optuna GP"]) == 1
    page = (tmp_path / "out.md").read_text()
    assert "192 cells, 96 of them trained with the second seed too" in page
    assert all(page.count(f"| {name} |") + page.count(f"| **{name}** |") >= 2 for name in METHODS)


def test_only_replays_the_named_method_with_codenas_and_random(tmp_path: Path) -> None:
    """Run as a user does: workers cannot import what is defined in the `__main__` of a command."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- tables -->\nkept\n<!-- /tables -->\n")
    arguments = ["--table", str(written(tmp_path)), "--seeds", "2", "--budget", "6", "--workers", "1"]
    arguments += ["--data", str(tmp_path / "data.json"), "--doc", str(page), "--only", "most parameters first"]
    command = [sys.executable, "-m", "experiments.search_benchmark", *arguments]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, timeout=300)
    stored = json.loads((tmp_path / "data.json").read_text())
    assert stored["seeds"] == {"codenas": 2, "random": 2, "most parameters first": 2}
    assert "\nkept\n" in page.read_text() and "<!-- only -->" in page.read_text()


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'mine'"):
        search_benchmark.main(["--table", str(written(tmp_path)), "--only", "mine"])


def test_a_table_is_resumed_after_a_kill(tmp_path: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train four tiny cells in place of the grid through three rungs, then the better two once more."""
    grid = {"num_layers": [1, 2], "hidden_dim": [16, 32], "vocab_size": [256]}
    monkeypatch.setattr("experiments.search_table.grid.GRID", grid)
    monkeypatch.setattr("experiments.search_table.grid.load_space", lambda name: load_space("tiny"))
    data = tmp_path / "table.jsonl"
    arguments = ["--corpus", str(corpus_folder), "--trial-flops", "6e9", "--workers", "1"]
    arguments += ["--data", str(data), "--trunks", str(tmp_path / "trunks")]
    assert search_table.main(arguments) == 0
    first = read_table(data)
    assert [(trained.seed, len(trained.rungs)) for trained in first] == [(0, 3)] * 4 + [(1, 1)] * 2
    whole = data.read_bytes()
    data.write_bytes(whole[:-100])  # as a kill leaves it
    assert search_table.main(arguments) == 0
    again = read_table(data)
    assert [trained.reproducible() for trained in again] == [trained.reproducible() for trained in first]
    assert not list((tmp_path / "trunks").iterdir())
