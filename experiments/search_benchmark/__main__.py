"""`python -m experiments.search_benchmark`: whether the search finds better architectures sooner than other methods.

Searches are replayed on the table of experiments.search_table, so that one takes seconds and a hundred seeds are
affordable. They see the results of one seed, and their choice is measured by the other's; then the seeds are exchanged,
because it is luck which of several good cells looks best.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from experiments import options
from nas import cli

_TABLE = Path("experiments/search_table/search-table.jsonl")
_DATA = Path("experiments/search_benchmark/search-benchmark.json")


def parser() -> argparse.ArgumentParser:
    built = options.parser("search_benchmark", "Replay searches on a table of known results.")
    built.add_argument("--table", type=Path, default=_TABLE, metavar="FILE", help="(default: %(default)s)")
    built.add_argument("--seeds", type=cli.positive_int, default=100, metavar="N", help="of each search (default: 100)")
    built.add_argument(
        "--gp-seeds", type=cli.positive_int, default=30, metavar="N", help="of those with a GP (default: 30)"
    )
    built.add_argument(
        "--only", action="append", metavar="NAME", help="replay codenas, random and these, with one objective alone"
    )
    built.add_argument(
        "--budget", type=cli.positive_int, default=40, metavar="N", help="FLOPs of each, in full trainings"
    )
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="worker processes (default: one per core)")
    built.add_argument(
        "--data", type=Path, metavar="FILE", help=f"the results (default: {_DATA}; with --only none are written)"
    )
    built.add_argument("--png", type=Path, metavar="FILE", help="draw regret against FLOPs; needs codenas[png]")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.search_benchmark.methods import METHODS, OURS
    from experiments.search_benchmark.regret import final_figures, regret_figure
    from experiments.search_benchmark.replay import replay_all
    from experiments.search_benchmark.results_table import Table
    from experiments.search_benchmark.tables import tables
    from experiments.search_table.grid import grid_space
    from experiments.search_table.table import read_table
    from nas.errors import UsageError, unknown_name
    from nas.system.files import write_json
    from nas.system.provenance import provenance

    only = arguments.only and {OURS, "random", *arguments.only}
    for name in only or ():
        if name not in METHODS:
            raise UsageError(unknown_name("search", name, [*METHODS]))
    table = Table(grid_space(_top_flops(arguments.table)), read_table(arguments.table))
    num_workers = options.num_workers_of(arguments)
    replays = replay_all(
        table,
        [name for name in METHODS if not only or name in only],
        with_double=not only,
        seeds=arguments.seeds,
        gp_seeds=arguments.gp_seeds,
        budget=arguments.budget,
        num_workers=num_workers,
    )
    command = cli.command_line("experiments.search_benchmark", argv)
    data = arguments.data or (None if only else _DATA)
    if data:
        write_json(data, {"provenance": provenance(command, num_workers), **final_figures(replays, table)})
    write_tables(arguments.doc, "only" if only else "tables", tables(replays, table))
    print(f"written: {', '.join(str(path) for path in (data, arguments.doc) if path)}")
    if arguments.png:
        from nas.report.parts.drawing import write_png

        write_png(regret_figure(replays, table), arguments.png)
        print(f"written: {arguments.png}")
    return 0


def _top_flops(table: Path) -> float:
    """Return the FLOPs of the top rung, from the provenance of the table."""
    identity = json.loads(table.with_suffix(".provenance.json").read_text(encoding="utf-8"))["identity"]
    return float(identity["space"]["training"]["trial_flops"])


if __name__ == "__main__":
    cli.run(main, "experiments.search_benchmark")
