from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from experiments.search_benchmark.figures import (
    flops_to_reach,
    hypervolumes,
    median_regret,
    regret_at,
    regret_steps,
    stays_from,
)
from experiments.search_benchmark.rivals import RIVALS
from experiments.search_benchmark.table_space import cells, table_space

from experiments.search_benchmark import __main__ as search_benchmark
from experiments.search_benchmark.results_table import Table
from experiments.search_table import __main__ as search_table
from experiments.search_table.__main__ import JUDGED, SEARCHED, best_half
from nas.errors import UsageError
from nas.records.trial import Cost, RungResult, TrialEnd, TrialRecord
from nas.space.search_space import Candidate, load_space
from nas.training.recipe import rung_cost

SPACE = table_space()
TOP = SPACE.training.trial_flops
SIZES = {f"bpe-{size}": size for size in (512, 1024, 2048, 4096, 8192, 16384)}
CELLS = cells(SPACE, SIZES)


def record(number: int, candidate: Candidate, seed: int) -> TrialRecord:
    """A bowl about L2 H48 V2048; the second seed a little off; large ones gain more from rung to rung."""
    shape = candidate.architecture
    off = (
        0.1 * (shape.num_layers - 2) ** 2
        + 0.2 * math.log2(shape.hidden_dim / 48) ** 2
        + 0.05 * math.log2(shape.vocab_size / 2048) ** 2
        + 0.02 * (shape.position_encoding == "alibi")
    )
    noise = 0.01 * math.sin(number * 7 + seed)
    collapse = 0.5 + 0.1 * (shape.position_encoding == "rope")
    rungs = [2 if seed == JUDGED else rung for rung in range(1 if seed == JUDGED else 3)]
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
    searched = [record(number, one, SEARCHED) for number, one in enumerate(CELLS)]
    return searched + [record(number, CELLS[number], JUDGED) for number in best_half(searched)]


@pytest.fixture(scope="module")
def table() -> Table:
    return Table(SPACE, records())


def test_the_grid_is_a_full_factorial_of_legal_cells() -> None:
    assert len(CELLS) == len({one.architecture.id for one in CELLS}) == 6 * 4 * 4 * 2
    assert all(max(SPACE.excess(one.architecture).values()) <= 0 for one in CELLS)


def test_the_truth_is_the_second_seeds_where_there_is_one(table: Table) -> None:
    twice = [one for one in table.cells.values() if one.truth != one.rungs[-1]]
    assert len(twice) == len(CELLS) // 2
    best = record(0, CELLS[0], SEARCHED)
    assert table.score(CELLS[0], TOP / 9, 5).val_bpb == best.rungs[0].val_bpb
    assert table.score(CELLS[0], TOP, 5).val_bpb == best.rungs[2].val_bpb


def test_turned_around_the_second_seed_is_searched_on_and_the_first_judges(table: Table) -> None:
    with_swapped_seeds = table.with_swapped_seeds()
    for name, cell in table.cells.items():
        other = with_swapped_seeds.cells[name]
        assert (other.rungs[-1], other.truth) == (cell.truth, cell.rungs[-1])
        assert other.rungs[:-1] == cell.rungs[:-1]
    looks_best = min(
        with_swapped_seeds.cells.values(), key=lambda one: one.rungs[-1].val_bpb + 0.25 * one.rungs[-1].collapse_rate
    )
    lowest = min(one.truth.val_bpb + 0.25 * one.truth.collapse_rate for one in with_swapped_seeds.cells.values())
    truth = looks_best.truth.val_bpb + 0.25 * looks_best.truth.collapse_rate
    assert with_swapped_seeds.regret_of_best_seen == pytest.approx(truth - lowest)
    assert with_swapped_seeds.with_swapped_seeds().cells == table.cells


def test_regret_is_of_what_the_first_seed_chooses_by_the_second(table: Table) -> None:
    ranked = sorted(table.cells, key=lambda name: table.fitness(table.cells[name].rungs[-1]))
    good, bad = ranked[3], ranked[40]
    trace = [(TOP, bad, True), (1.1 * TOP, ranked[0], False), (2 * TOP, good, True), (3 * TOP, ranked[20], True)]
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
    assert [stays_from(steps, regret) for regret in (0.3, 0.2, 0.1, 0.04)] == [1.0, 3.0, 4.0, math.inf]


def test_a_hypervolume_is_of_the_front_that_was_trained_to_the_end(table: Table) -> None:
    names = [name for name, one in table.cells.items() if one.truth != one.rungs[-1]][:2]
    worst = max(one.truth.val_bpb for one in table.cells.values())
    one = table.cells[names[0]].truth
    assert hypervolumes([[(TOP, names[0], True), (TOP, names[1], False)]], table) == [
        pytest.approx((worst - one.val_bpb) * (1 - one.collapse_rate))
    ]


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_spends_its_flops_and_no_more(table: Table, name: str) -> None:
    trace = RIVALS[name](table, 1, 12 * TOP)
    spent = [one.spent_flops for one in trace]
    assert spent == sorted(spent)
    assert 12 * TOP <= spent[-1] < 13.2 * TOP
    assert sum(one.is_top for one in trace) >= 3
    tops = [one.cell.candidate.architecture.id for one in trace if one.is_top]
    assert len(set(tops)) == len(tops)
    assert [one.cell for one in RIVALS[name](table, 1, 12 * TOP)] == [one.cell for one in trace]


def test_sorting_by_parameters_begins_with_the_largest(table: Table) -> None:
    trace = RIVALS["most parameters first"](table, 0, 3 * TOP)
    largest = max(one.architecture.non_embedding_params for one in CELLS)
    assert trace[0].cell.candidate.architecture.non_embedding_params == largest


def written(folder: Path) -> Path:
    """The table as a file, with what must stand beside it."""
    path = folder / "table.jsonl"
    path.write_text("".join(one.model_dump_json() + "\n" for one in records()))
    identity = {"identity": {"space": {"training": {"trial_flops": TOP}}}}
    (folder / "table.provenance.json").write_text(json.dumps(identity))
    return path


def test_the_command_writes_figures_tables_and_data(tmp_path: Path) -> None:
    arguments = [
        "--table",
        str(written(tmp_path)),
        "--seeds",
        "2",
        "--gp-seeds",
        "1",
        "--budget",
        "6",
        "--workers",
        "1",
    ]
    arguments += ["--data", str(tmp_path / "found.json"), "--doc", str(tmp_path / "found.md")]
    assert search_benchmark.main(arguments) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["seeds"]["random"] == 2 and found["seeds"]["Optuna GP"] == 1
    assert len(found["final_regret"]["regularised evolution"]) == 2
    assert len(found["final_regret_turned"]["Optuna GP"]) == 1
    page = (tmp_path / "found.md").read_text()
    assert "192 cells, 96 of them trained with the second seed too" in page
    assert all(page.count(f"| {name} |") + page.count(f"| **{name}** |") >= 2 for name in RIVALS)


def test_one_rival_is_replayed_beside_ours_and_random_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- tables -->\nkept\n<!-- /tables -->\n")
    arguments = [
        "--table",
        str(written(tmp_path)),
        "--seeds",
        "2",
        "--budget",
        "6",
        "--workers",
        "1",
        "--doc",
        str(page),
    ]
    arguments += ["--data", str(tmp_path / "data.json"), "--only", "most parameters first"]
    assert search_benchmark.main(arguments) == 0
    stored = json.loads((tmp_path / "data.json").read_text())
    assert stored["seeds"] == {"codenas": 2, "random": 2, "most parameters first": 2}
    assert "\nkept\n" in page.read_text() and "<!-- only -->" in page.read_text()
    with pytest.raises(UsageError, match="'mine'"):
        search_benchmark.main([*arguments, "--only", "mine"])


def test_a_table_is_made_in_pieces_and_gone_on_with(
    tmp_path: Path, corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four tiny cells in the place of the grid, through three rungs; then the better two once more."""
    grid = {"num_layers": [1, 2], "hidden_dim": [16, 32], "vocab_size": [256]}
    monkeypatch.setattr("experiments.search_benchmark.table_space._GRID", grid)
    monkeypatch.setattr("experiments.search_benchmark.table_space.load_space", lambda name: load_space("tiny"))
    data = tmp_path / "table.jsonl"
    arguments = ["--corpus", str(corpus_folder), "--trial-flops", "6e9", "--workers", "1"]
    arguments += ["--data", str(data), "--trunks", str(tmp_path / "trunks")]
    assert search_table.main(arguments) == 0
    found = search_table.read_table(data)
    assert [(one.seed, len(one.rungs)) for one in found] == [(0, 3)] * 4 + [(1, 1)] * 2
    whole = data.read_bytes()
    data.write_bytes(whole[:-100])  # as a kill leaves it
    assert search_table.main(arguments) == 0
    again = search_table.read_table(data)
    assert [one.reproducible() for one in again] == [one.reproducible() for one in found]
    assert not list((tmp_path / "trunks").iterdir())
