"""`python -m experiments.full_training`: whether what a search found is still better after full training.

Both architectures of a search (experiments/full_training/model_specs.py), Llama scaled to the budget, and the origin's
L4 H256 under two vocabularies are trained on one corpus under equal FLOPs, and evaluated on the holdout. With --teacher
they also learn from a trained model, whose answers are paid for out of the same FLOPs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments import options
from nas import cli

_DEFAULT_NAMES = ("searched", "predicted", "llama", "origin-a", "origin-c")


def parser() -> argparse.ArgumentParser:
    built = options.parser("full_training", "Train architectures fully under equal FLOPs.", data="full-training.jsonl")
    built.add_argument("--flops", type=cli.positive_float, default=1e14, metavar="N", help="of each (default: 1e14)")
    built.add_argument(
        "--seeds", type=cli.positive_int, default=3, metavar="N", help="seeds of each, from 0 (default: 3)"
    )
    built.add_argument(
        "--only", action="append", metavar="NAME", help=f"may be repeated (default: {', '.join(_DEFAULT_NAMES)})"
    )
    built.add_argument("--teacher", type=Path, metavar="DIR", help="the run folder of a model to learn from")
    built.add_argument("--corpus", default="python-100mb", metavar="PATH", help="as in nas.train")
    options.add_device(built)
    built.add_argument(
        "--workers", type=cli.positive_int, metavar="N", help="worker processes (default: cores / --threads)"
    )
    built.add_argument("--threads", type=cli.positive_int, default=1, metavar="N", help="of a training (default: 1)")
    built.add_argument("--runs", type=Path, default=Path("runs/full-training"), metavar="DIR", help="the run folders")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.full_training.model_specs import NAMES, model_specs
    from experiments.full_training.runs import Job, open_runs, run_jobs
    from experiments.full_training.tables import tables
    from nas.data.prepare import prepare_data
    from nas.errors import UsageError, unknown_name
    from nas.system.machine import available_cores
    from nas.training.numerics import plan_numerics

    names = arguments.only or _DEFAULT_NAMES
    for name in names:
        if name not in NAMES:
            raise UsageError(unknown_name("architecture", name, NAMES))
    specs = model_specs(arguments.flops)
    data = prepare_data(arguments.corpus, sorted({spec.vocabulary for spec in specs.values()}))
    seeds = range(arguments.seeds)
    jobs = [Job(specs[name], arguments.flops, seed, arguments.teacher) for seed in seeds for name in names]
    num_workers = arguments.workers or max(1, available_cores() // arguments.threads)
    command = cli.command_line("experiments.full_training", argv)
    results = open_runs(arguments.data, data, command, num_workers)
    numerics = plan_numerics(arguments.device, arguments.threads)
    run_jobs(jobs, results, data, numerics, arguments.runs, num_workers)
    write_tables(arguments.doc, "runs", tables(list(results.values())))
    print(f"written: {arguments.data}, {arguments.doc}")
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.full_training")
