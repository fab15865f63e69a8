"""`python -m experiments.search_table`: how good each architecture of a grid is after each rung.

Searches can then be replayed on the table in seconds (experiments.search_benchmark). They see the results of the first
seed. The better half of the cells by that seed is trained once more with a second, to the top alone: that result is
the truth that a search's choice is compared with.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments import options
from nas import cli


def parser() -> argparse.ArgumentParser:
    built = options.parser(
        "search_table", "Train a grid of architectures through all rungs.", data="search-table.jsonl", doc=False
    )
    built.add_argument("--corpus", default="stdlib", metavar="NAME|PATH", help="as in nas.search (default: stdlib)")
    built.add_argument("--trial-flops", type=cli.positive_float, metavar="N", help="of the top rung (default: base's)")
    options.add_device(built)
    options.add_schedule(built)
    built.add_argument(
        "--trunks",
        type=Path,
        default=Path("runs/search-table"),
        metavar="DIR",
        help="weights between the rungs of a cell, deleted after it (default: %(default)s)",
    )
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.search_table.grid import grid_candidates, grid_space
    from experiments.search_table.table import SEARCHED_SEED, TRUTH_SEED, SearchTable, best_half
    from nas.data.prepare import prepare_data
    from nas.search.executors.workers import WorkerPool
    from nas.training.numerics import plan_numerics

    space = grid_space(arguments.trial_flops)
    data = prepare_data(arguments.corpus, space.vocabulary_names)
    numerics = plan_numerics(arguments.device, threads=1)
    num_workers, deadline = options.num_workers_of(arguments), options.deadline_of(arguments)
    command = cli.command_line("experiments.search_table", argv)
    table = SearchTable(arguments.data, space, data, numerics, command, num_workers)
    cells = list(enumerate(grid_candidates(space, data.vocabulary_sizes)))
    with WorkerPool(num_workers, numerics.apply) as pool:
        complete = table.fill(pool, SEARCHED_SEED, cells, arguments.trunks, deadline)
        if complete:
            best = best_half(table.of_seed(SEARCHED_SEED))
            complete = table.fill(pool, TRUTH_SEED, [cells[number] for number in best], arguments.trunks, deadline)
    print(f"{len(table.results)} trainings in {arguments.data}")
    if not complete:
        print(options.STOPPED)
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.search_table")
