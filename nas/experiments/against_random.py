"""`python -m nas.experiments.against_random`: is the search better than drawing as many architectures at random?

For each seed one search and one random draw of the same budget, both over the same space, data and trial
FLOPs. Each side's best is chosen on validation and judged on the holdout, which neither has looked at.
The search spends three of its trials on the reference architectures; the random side draws all of its own.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.files import write_json

if TYPE_CHECKING:
    from nas.study.session import SearchOutcome

SIDES = {"search": "law", "random": "random"}


@dataclass(frozen=True)
class Best:
    """The best trial of one side under one seed."""

    side: str
    seed: int
    trial: int
    architecture: str
    val_fitness: float
    holdout_fitness: float
    holdout_bpb: float
    holdout_collapse_rate: float


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.experiments.against_random", "Set searches against random draws of the same budget.")
    built.add_argument("--space", default="base", metavar="NAME|FILE", help="search space (default: base)")
    built.add_argument("--corpus", default="stdlib", metavar="PATH", help="as in nas.search (default: stdlib)")
    built.add_argument("--searches", type=cli.whole, default=3, metavar="N", help="seeds 0 to N-1 (default: 3)")
    built.add_argument("--budget", type=cli.whole, default=40, metavar="N", help="trials of each side (default: 40)")
    built.add_argument("--trial-flops", type=cli.positive, metavar="N", help="training FLOPs of each trial")
    built.add_argument("--workers", type=cli.whole, metavar="N", help="processes (default: one a core)")
    built.add_argument("--out", default="trials/against-random", metavar="DIR", help="folder of the studies")
    built.add_argument("--json", default=None, metavar="FILE", help="write the figures there too")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    arguments.argv = argv
    found: list[Best] = []
    provenance: dict[str, Any] = {}
    for seed in range(arguments.searches):
        for side in SIDES:
            outcome = run_side(side, seed, arguments)
            provenance = outcome.study.provenance
            found.append(best_of(side, seed, outcome))
            print(line_of(found[-1]), flush=True)
    for line in conclusion(found):
        print(line)
    if arguments.json:
        facts = {"provenance": provenance, "budget": arguments.budget, "best": [vars(one) for one in found]}
        write_json(Path(arguments.json), facts)
    return 0


def run_side(side: str, seed: int, arguments: argparse.Namespace) -> SearchOutcome:
    """One study, new or gone on with."""
    from rich.console import Console

    from nas.reporting.live import LiveTable
    from nas.study.search_plan import SearchOptions, plan_search
    from nas.study.session import run_search

    options = SearchOptions(
        space=arguments.space,
        corpus=arguments.corpus,
        name=f"{side}-{seed}",
        out=Path(arguments.out),
        seed=seed,
        workers=arguments.workers,
        trial_flops=arguments.trial_flops,
        budget=arguments.budget,
        sampler=SIDES[side],
        command=cli.command_line("nas.experiments.against_random", arguments.argv),
    )
    with LiveTable(arguments.budget, [], console=Console(stderr=True)) as live:
        return run_search(plan_search(options), live)


def best_of(side: str, seed: int, outcome: SearchOutcome) -> Best:
    """The trial with the best fitness on validation, and what the holdout says of it, over fresh seeds."""
    from nas.finals import comparison_of
    from nas.records import completed

    best = completed(outcome.records)[0]
    comparison = comparison_of(outcome.study, outcome.records, outcome.study.collapse_weight)
    assert best.fitness is not None and comparison is not None
    verdict = next(one for one in comparison.finalists if one.number == best.number)
    return Best(
        side=side,
        seed=seed,
        trial=best.number,
        architecture=best.architecture.describe(),
        val_fitness=best.fitness,
        holdout_fitness=verdict.fitness,
        holdout_bpb=verdict.bpb,
        holdout_collapse_rate=verdict.collapse_rate,
    )


def line_of(best: Best) -> str:
    return (
        f"{best.side:<7} seed {best.seed}  holdout fitness {best.holdout_fitness:.3f} = bpb {best.holdout_bpb:.3f} + "
        f"collapse {best.holdout_collapse_rate:.3f}  (validation fitness {best.val_fitness:.3f}, trial {best.trial})  "
        f"{best.architecture}"
    )


def conclusion(found: list[Best]) -> list[str]:
    """Means of both sides, and how often the search came first."""
    holdout = {side: [one.holdout_fitness for one in found if one.side == side] for side in SIDES}
    differences = [ours - theirs for ours, theirs in zip(holdout["search"], holdout["random"], strict=True)]
    lines = [f"{side:<7} mean holdout fitness {statistics.mean(values):.3f}" for side, values in holdout.items()]
    won = sum(one < 0 for one in differences)
    shown = ", ".join(f"{one:+.3f}" for one in differences)
    return [*lines, f"search minus random, seed by seed: {shown}; the search is better in {won} of {len(differences)}"]


if __name__ == "__main__":
    cli.run(main, "nas.experiments.against_random")
