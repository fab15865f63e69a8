"""`python -m experiments.search_benchmark`: does the search find better architectures sooner than other ways to?

Searches are replayed on the table of experiments.search_table, so that one takes seconds and a hundred seeds can be
had. They see the results of one seed, and what they choose is judged by another's; then the seeds are exchanged, as
which of some good cells looks best is luck.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.search_table.__main__ import DATA
from nas import cli

if TYPE_CHECKING:
    from experiments.search_benchmark.replayed import Rival
    from experiments.search_benchmark.results_table import Table

_GP_SEEDS = 30


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.search_benchmark", "Replay searches on a table of known results.")
    built.add_argument("--table", type=Path, default=DATA, metavar="FILE", help=f"of search_table (default: {DATA})")
    built.add_argument("--seeds", type=cli.positive_int, default=100, metavar="N", help="of each search (default: 100)")
    built.add_argument(
        "--gp-seeds", type=cli.positive_int, default=_GP_SEEDS, metavar="N", help=f"of those with a GP (default: {_GP_SEEDS})"
    )
    built.add_argument(
        "--only", action="append", metavar="NAME", help="one objective, codenas, random and these; may be repeated"
    )
    built.add_argument("--budget", type=cli.positive_int, default=40, metavar="N", help="full trainings' worth of FLOPs each")
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="processes (default: one a core)")
    built.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="(default: experiments/search_benchmark/search-benchmark.json; with --only none is written)",
    )
    built.add_argument("--doc", type=Path, default=Path("experiments/search_benchmark/README.md"), metavar="FILE")
    built.add_argument("--png", type=Path, metavar="FILE", help="draw regret against FLOPs; needs codenas[png]")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.search_benchmark.figures import Replays
    from experiments.search_benchmark.results_table import Table
    from experiments.search_benchmark.rivals import OURS, RIVALS, TWO_OBJECTIVE_RIVALS
    from experiments.search_benchmark.table_space import table_space
    from experiments.search_benchmark.tables import tables
    from experiments.search_table.__main__ import read_table
    from nas.errors import UsageError, unknown_name
    from nas.system.files import write_json
    from nas.system.machine import available_cores
    from nas.system.provenance import provenance

    only = arguments.only and {OURS, "random", *arguments.only}
    for name in only or ():
        if name not in RIVALS:
            raise UsageError(unknown_name("search", name, [*RIVALS]))
    space = table_space(float(stored_flops(arguments.table)))
    table = Table(space, read_table(arguments.table))
    workers = arguments.workers or available_cores()
    chosen = {name: one for name, one in RIVALS.items() if not only or name in only}
    replays = Replays(
        budget=arguments.budget,
        single=replay(chosen, True, table, arguments, workers),
        with_swapped_seeds=replay(chosen, True, table.with_swapped_seeds(), arguments, workers),
        double={} if only else replay(TWO_OBJECTIVE_RIVALS, False, table, arguments, workers),
    )
    command = cli.command_line("experiments.search_benchmark", argv)
    data = arguments.data or (None if only else Path("experiments/search_benchmark/search-benchmark.json"))
    if data:
        write_json(data, {"provenance": provenance(command, workers), **replays.as_json(table)})
    write_tables(arguments.doc, "only" if only else "tables", tables(replays, table))
    print(f"written: {', '.join(str(one) for one in (data, arguments.doc) if one)}")
    if arguments.png:
        from experiments.search_benchmark.figures import regret_figure
        from nas.report.parts.drawing import write_png

        write_png(regret_figure(replays, table), arguments.png)
        print(f"written: {arguments.png}")
    return 0


def stored_flops(table: Path) -> float:
    """The top rung's, from the file beside the table."""
    identity = json.loads(table.with_suffix(".provenance.json").read_text(encoding="utf-8"))["identity"]
    return float(identity["space"]["training"]["trial_flops"])


def replay(
    rivals: Mapping[str, Rival], is_single: bool, table: Table, arguments: argparse.Namespace, workers: int
) -> dict[str, list[list[tuple[float, str, bool]]]]:
    """Name -> for each seed what was paid for: FLOPs spent in all, id of the architecture, whether to the end."""
    from functools import partial

    from experiments.search_benchmark.rivals import OURS
    from nas.errors import StudyError
    from nas.search.executors.workers import WorkerPool

    slow = {name for name in rivals if "GP" in name} | ({OURS} if not is_single else set())
    counts = {name: arguments.gp_seeds if name in slow else arguments.seeds for name in rivals}
    missing = [(name, seed) for name in rivals for seed in range(counts[name])]
    found: dict[tuple[str, int], list[tuple[float, str, bool]]] = {}
    wanted = len(missing)
    with WorkerPool(workers, _nothing) as pool:
        running = 0
        while missing or running:
            while missing and pool.num_free:
                name, seed = missing.pop(0)
                pool.submit((name, seed), partial(_search, name, is_single, table, seed, arguments.budget))
                running += 1
            for ended in pool.wait():
                running -= 1
                if not isinstance(ended.value, list):
                    raise StudyError(f"the search {ended.key} failed: {ended.error}")
                assert isinstance(ended.key, tuple)
                found[ended.key] = ended.value
                if len(found) % 50 == 0:
                    print(f"{len(found)} of {wanted} searches", file=sys.stderr, flush=True)
    return {name: [found[name, seed] for seed in range(counts[name])] for name in rivals}


def _search(name: str, is_single: bool, table: Table, seed: int, budget: int) -> list[tuple[float, str, bool]]:
    """In a worker: by name, as functions made by others cannot be sent there."""
    from experiments.search_benchmark.rivals import RIVALS, TWO_OBJECTIVE_RIVALS

    trace = (RIVALS if is_single else TWO_OBJECTIVE_RIVALS)[name](table, seed, budget * table.top_flops)
    return [(one.spent_flops, one.cell.candidate.architecture.id, one.is_top) for one in trace]


def _nothing() -> None: ...


if __name__ == "__main__":
    cli.run(main, "experiments.search_benchmark")
