"""`python -m experiments.signal`: whether a trial's scores depend on its architecture or on chance.

24 architectures spread over a search space are each trained with three seeds under the space's FLOPs per trial; eight
of them, evenly spaced in rank, with a third and with three times as much, and four so spaced with ten times.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments import options
from nas import cli


def parser() -> argparse.ArgumentParser:
    built = options.parser(
        "signal", "Compare the scores of architectures across seeds and budgets.", data="signal.jsonl"
    )
    built.add_argument("--space", default="base", metavar="NAME|FILE", help="search space (default: base)")
    built.add_argument("--corpus", default="stdlib", metavar="PATH", help="as in nas.search (default: stdlib)")
    options.add_schedule(built)
    built.add_argument(
        "--weights",
        type=Path,
        default=Path("trials/signal"),
        metavar="DIR",
        help="the trained models (default: %(default)s)",
    )
    built.add_argument("--png", type=Path, metavar="FILE", help="draw bits per byte against FLOPs (needs a Chrome)")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.signal.design import spread_candidates
    from experiments.signal.study import NUM_ARCHITECTURES, SignalStudy
    from experiments.signal.tables import tables
    from experiments.trainings import Trainings
    from nas.data.prepare import prepare_data
    from nas.space.search_space import load_space
    from nas.training.numerics import plan_numerics

    space = load_space(arguments.space)
    data = prepare_data(arguments.corpus, space.vocabulary_names)
    candidates = spread_candidates(space, data.vocabulary_sizes, NUM_ARCHITECTURES)
    trainings = Trainings(
        arguments.data,
        data,
        plan_numerics("cpu", threads=1),
        cli.command_line("experiments.signal", argv),
        options.num_workers_of(arguments),
        arguments.weights,
    )
    study = SignalStudy(space, candidates, trainings.results)
    deadline = options.deadline_of(arguments)
    if not trainings.run(study.own_budget_specs(), deadline) or not trainings.run(study.other_budget_specs(), deadline):
        print(options.STOPPED)
        return 0
    write_tables(arguments.doc, "tables", tables(study))
    print(f"written: {arguments.doc}")
    if arguments.png:
        from experiments.signal.figure import signal_figure
        from nas.report.parts.drawing import write_png

        write_png(signal_figure(study), arguments.png)
        print(f"written: {arguments.png}")
    return 0


if __name__ == "__main__":
    cli.run(main, "experiments.signal")
