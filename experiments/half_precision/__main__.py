"""`python -m experiments.half_precision`: whether models trained in bf16 are as good as models trained in fp32.

Three shapes are trained with five seeds in either precision, everything else equal, and compared in pairs: the page
gets the difference in bits per byte and the upper bound of its 95% interval.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments import options
from nas import cli


def parser() -> argparse.ArgumentParser:
    built = options.parser("half_precision", "Compare trainings in bf16 and fp32, in pairs.")
    built.add_argument(
        "--trial-flops", type=cli.positive_float, default=2e12, metavar="N", help="FLOPs of each training"
    )
    options.add_schedule(built)
    built.add_argument(
        "--data",
        default="experiments/half_precision/half-precision",
        metavar="STEM",
        help="the results are in STEM.float32.jsonl and STEM.bfloat16.jsonl (default: %(default)s)",
    )
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.half_precision.pairs import DTYPES, NUM_SEEDS, SHAPES, table, training_spec
    from experiments.trainings import Trainings
    from nas.data.prepare import prepare_data
    from nas.training.numerics import plan_numerics

    data = prepare_data("stdlib", sorted({f"bpe-{shape['vocab_size']}" for shape in SHAPES.values()}))
    command = cli.command_line("experiments.half_precision", argv)
    num_workers = options.num_workers_of(arguments)
    planned = plan_numerics("cpu", threads=1)
    trainings = {
        dtype: Trainings(
            Path(f"{arguments.data}.{dtype}.jsonl"),
            data,
            planned.model_copy(update={"dtype": dtype}),
            command,
            num_workers,
        )
        for dtype in DTYPES
    }
    deadline = options.deadline_of(arguments)
    complete = True
    for seed in range(NUM_SEEDS):  # seed by seed in both precisions, so that a stop leaves pairs
        specs = [training_spec(shape, seed, arguments.trial_flops) for shape in SHAPES]
        for dtype in DTYPES:
            complete = trainings[dtype].run(specs, deadline) and complete
    results = {dtype: trainings[dtype].results for dtype in DTYPES}
    write_tables(arguments.doc, "pairs", table(results, arguments.trial_flops))
    print(f"written: {arguments.doc}")
    if not complete:
        print(options.STOPPED)
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.half_precision")
