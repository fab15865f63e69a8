"""`python -m experiments.signal`: does a trial say anything about its architecture?

24 architectures spread over a search space, each trained with three seeds under the space's FLOPs a trial;
eight of them, evenly spaced in rank, at a third and at three times as much, and four so spaced at ten times. The
trainings go into a file of JSON lines, and the tables of experiments/signal/README.md are made from that file.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli

if TYPE_CHECKING:
    from experiments.signal.study import SignalStudy


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.signal", "Measure what a trial says: architectures against seeds and budgets.")
    built.add_argument("--space", default="base", metavar="NAME|FILE", help="search space (default: base)")
    built.add_argument("--corpus", default="stdlib", metavar="PATH", help="as in nas.search (default: stdlib)")
    built.add_argument("--workers", type=cli.positive_int, metavar="N", help="processes (default: one a core)")
    built.add_argument("--minutes", type=cli.positive_float, metavar="M", help="begin no training after so many minutes")
    built.add_argument("--data", default="experiments/signal/signal.jsonl", metavar="FILE", help="one line a training")
    built.add_argument("--weights", default="trials/signal", metavar="DIR", help="models are kept there")
    built.add_argument("--png", metavar="FILE", help="draw bits per byte against FLOPs there (needs a Chrome)")
    built.add_argument("--doc", default="experiments/signal/README.md", metavar="FILE", help="where the tables go")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from experiments.signal.tables import tables

    study = open_signal_study(arguments, cli.command_line("experiments.signal", argv))
    deadline = time.monotonic() + 60 * (arguments.minutes or 1e9)
    if not study.run(arguments.workers, deadline):
        print("stopped before its end; run the same command again to go on")
        return 0
    write_tables(Path(arguments.doc), "tables", tables(study))
    print(f"written: {arguments.doc}")
    if arguments.png:
        from experiments.signal.figure import signal_figure
        from nas.report.parts.drawing import write_png

        write_png(signal_figure(study), Path(arguments.png))
        print(f"written: {arguments.png}")
    return 0


def open_signal_study(arguments: argparse.Namespace, command: str) -> SignalStudy:
    from experiments.signal.design import spread_candidates
    from experiments.signal.study import NUM_ARCHITECTURES, SignalStudy
    from experiments.trainings import Trainings
    from nas.data.prepare import prepare_data
    from nas.space.search_space import load_space
    from nas.training.numerics import plan_numerics

    space = load_space(arguments.space)
    data = prepare_data(arguments.corpus, space.vocabulary_names)
    candidates = spread_candidates(space, data.vocabulary_sizes, NUM_ARCHITECTURES)
    numerics = plan_numerics("cpu", threads=1)
    trainings = Trainings(Path(arguments.data), data, numerics, command, Path(arguments.weights))
    return SignalStudy(space, candidates, trainings)


if __name__ == "__main__":
    cli.run(main, "experiments.signal")
