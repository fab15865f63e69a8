"""`python -m experiments.learning_rate`: how many bits per byte the learning-rate rule loses to the best rate.

At each of three sizes, two vocabularies and three batch sizes, and at the smallest size with shorter and longer
sequences, the rule's rate is trained, and rates a factor of two apart around the best one, until the best has a
worse neighbour on either side.
"""

from __future__ import annotations

import argparse

from experiments import options
from nas import cli


def parser() -> argparse.ArgumentParser:
    built = options.parser("learning_rate", "Sweep the learning rate against the rule.", data="learning-rate.jsonl")
    built.add_argument(
        "--trial-flops", type=cli.positive_float, default=2e12, metavar="N", help="FLOPs of each training"
    )
    options.add_schedule(built)
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.learning_rate.sweep import BATCHES, VOCABULARIES, sweep_points, table
    from experiments.trainings import Trainings
    from nas.data.prepare import prepare_data
    from nas.training.numerics import plan_numerics

    data = prepare_data("stdlib", [f"bpe-{size}" for size in VOCABULARIES])
    command = cli.command_line("experiments.learning_rate", argv)
    num_workers = options.num_workers_of(arguments)
    trainings = Trainings(arguments.data, data, plan_numerics("cpu", threads=1), command, num_workers)
    deadline = options.deadline_of(arguments)
    batches = [list(sweep_points(*batch, arguments.trial_flops)) for batch in BATCHES]
    points = [point for batch in batches for point in batch]
    # The rule's own rates first: they compare batches and sequences before any sweep is complete.
    complete = trainings.run([point.spec(point.rule) for point in points], deadline)
    for batch in batches:
        while complete and (specs := [spec for point in batch for spec in point.missing(trainings.results)]):
            complete = trainings.run(specs, deadline)
    write_tables(arguments.doc, "sweep", table(points, trainings.results))
    print(f"written: {arguments.doc}")
    if not complete:
        print(options.STOPPED)
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.learning_rate")
