"""`python -m experiments.full_training`: does what a search found hold in full training?

Both architectures of a search (experiments/full_training/contenders.py), Llama scaled to the budget, and the origin's L4 H256 under
both vocabularies are trained on one corpus under equal FLOPs, and judged on the holdout. With --teacher they learn from
a trained model as well, which is paid for out of the same FLOPs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nas import cli

_MAIN = ("searched", "predicted", "llama", "origin-a", "origin-c")


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.full_training", "Train architectures fully beside each other.")
    built.add_argument("--flops", type=cli.positive_float, default=1e14, metavar="N", help="of each (default: 1e14)")
    built.add_argument("--seeds", type=cli.positive_int, default=3, metavar="N", help="from 0 on (default: 3)")
    built.add_argument("--only", action="append", metavar="NAME", help=f"may be repeated (default: {', '.join(_MAIN)})")
    built.add_argument("--teacher", type=Path, metavar="DIR", help="the run folder of a model to learn from")
    built.add_argument("--corpus", default="python-100mb", metavar="PATH", help="as in nas.train")
    built.add_argument("--device", default="cpu", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: cpu)")
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="processes (default: one for each --threads)")
    built.add_argument("--threads", type=cli.positive_int, default=1, metavar="N", help="of a training (default: 1)")
    built.add_argument("--runs", default="runs/full-training", metavar="DIR", help="run folders are kept there")
    built.add_argument(
        "--data", default="experiments/full_training/full-training.jsonl", metavar="FILE", help="one line a training"
    )
    built.add_argument(
        "--doc", default="experiments/full_training/README.md", metavar="FILE", help="where the tables go"
    )
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.full_training.contenders import NAMES, contenders
    from experiments.full_training.runs import Job, read_runs, run_jobs
    from experiments.full_training.tables import tables
    from nas.data.prepare import prepare_data
    from nas.errors import UsageError, unknown_name
    from nas.system.files import write_json
    from nas.system.machine import available_cores
    from nas.system.provenance import provenance
    from nas.training.numerics import plan_numerics

    names = arguments.only or _MAIN
    for name in names:
        if name not in NAMES:
            raise UsageError(unknown_name("architecture", name, NAMES))
    found = contenders(arguments.flops)
    data = prepare_data(arguments.corpus, sorted({one.vocabulary for one in found.values()}))
    jobs = [
        Job(found[name], arguments.flops, seed, arguments.teacher) for seed in range(arguments.seeds) for name in names
    ]
    workers = arguments.workers or max(1, available_cores() // arguments.threads)
    path = Path(arguments.data)
    run_jobs(jobs, data, plan_numerics(arguments.device, arguments.threads), Path(arguments.runs), path, workers)
    command = cli.command_line("experiments.full_training", argv)
    write_json(path.with_suffix(".provenance.json"), provenance(command, workers))
    write_tables(Path(arguments.doc), "runs", tables(list(read_runs(path).values())))
    print(f"written: {path}, {arguments.doc}")
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.full_training")
