"""`python -m nas.experiments.against_references`: is what a search finds better than what people take without one?

Searches with seeds of their own, and of each the verdict: the architecture it takes and the references, trained again
with fresh seeds at equal FLOPs, on the holdout. The difference to each reference is one number a search.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli

if TYPE_CHECKING:
    from nas.study.session import SearchOutcome

Measures = Mapping[str, float]


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.experiments.against_references", "Set what searches find against reference architectures.")
    built.add_argument("--space", default="base", metavar="NAME|FILE", help="search space (default: base)")
    built.add_argument("--corpus", default="stdlib", metavar="NAME|PATH", help="as in nas.search (default: stdlib)")
    built.add_argument("--searches", type=cli.whole, default=5, metavar="N", help="seeds 0 to N-1 (default: 5)")
    built.add_argument("--budget", type=cli.whole, default=40, metavar="N", help="trials of each (default: 40)")
    built.add_argument("--rungs", type=cli.whole, metavar="N", help="as in nas.search")
    built.add_argument("--trial-flops", type=cli.positive, metavar="N", help="as in nas.search")
    built.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    built.add_argument("--workers", type=cli.whole, metavar="N", help="processes (default: one a core)")
    built.add_argument(
        "--out", type=Path, default=Path("trials/against-references"), metavar="DIR", help="of the studies"
    )
    built.add_argument("--data", type=Path, default=Path("docs/against-references.json"), metavar="FILE")
    built.add_argument("--doc", type=Path, default=Path("docs/against-references.md"), metavar="FILE")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from nas.experiments.document import write_tables
    from nas.files import write_json

    command = cli.command_line("nas.experiments.against_references", argv)
    outcomes = [run_search_of(seed, arguments, command) for seed in range(arguments.searches)]
    searches = [measures_of(one) for one in outcomes]
    about = {"provenance": outcomes[-1].study.provenance, "budget": arguments.budget}
    write_json(arguments.data, {**about, "searches": searches})
    write_tables(arguments.doc, "searches", tables(searches))
    print(f"written: {arguments.data}, {arguments.doc}")
    return 0


def run_search_of(seed: int, arguments: argparse.Namespace, command: str) -> SearchOutcome:
    """One study, new or gone on with."""
    from rich.console import Console

    from nas.reporting.live import LiveTable
    from nas.study.session import SearchOptions, plan_search, run_search

    options = SearchOptions(
        space=arguments.space,
        corpus=arguments.corpus,
        name=f"search-{seed}",
        out=arguments.out,
        seed=seed,
        device=arguments.device,
        workers=arguments.workers,
        trial_flops=arguments.trial_flops,
        num_rungs=arguments.rungs,
        budget=arguments.budget,
        command=command,
    )
    with LiveTable(arguments.budget, [], console=Console(stderr=True)) as live:
        return run_search(plan_search(options), live)


def measures_of(outcome: SearchOutcome) -> dict[str, dict[str, float | str]]:
    """`search` and each reference -> what the holdout says of it, over the fresh seeds."""
    from nas.finals import comparison_of

    comparison = comparison_of(outcome.study, outcome.records, outcome.study.collapse_weight)
    assert comparison is not None, "a finished search has its verdict"
    by_number = {one.number: one for one in outcome.records}
    found: dict[str, dict[str, float | str]] = {}
    for one in comparison.finalists:
        record = by_number[one.number]
        values: dict[str, float | str] = {
            "architecture": record.architecture.describe(),
            "fitness": one.fitness,
            "bpb": one.bpb,
            "collapse_rate": one.collapse_rate,
        }
        if one.number == comparison.chosen:
            found["search"] = values
        if record.reference:
            found[record.reference] = values
    return found


def tables(searches: Sequence[Mapping[str, Mapping[str, float | str]]]) -> str:
    """Markdown: what each search took, and how far each reference is behind it, with 95% intervals over searches."""
    from nas.experiments.document import markdown

    names = [name for name in searches[0] if name != "search"]
    rows = [
        [
            str(seed),
            str(one["search"]["architecture"]),
            *(_shown(one[name]) for name in ("search", *names) if name in one),
        ]
        for seed, one in enumerate(searches)
    ]
    behind = [[name, *(_behind(searches, name, key) for key in ("fitness", "bpb", "collapse_rate"))] for name in names]
    return "\n\n".join(
        [
            "Fitness = bits per byte + weight x collapse rate, means over the fresh seeds.",
            markdown(("search", "takes", "search", *names), rows),
            markdown(("behind the search", "fitness", "bits per byte", "collapse rate"), behind),
        ]
    )


def _shown(measures: Mapping[str, float | str]) -> str:
    return f"{measures['fitness']:.3f} ({measures['bpb']:.3f}, {measures['collapse_rate']:.2f})"


def _behind(searches: Sequence[Mapping[str, Mapping[str, float | str]]], name: str, key: str) -> str:
    """The mean of reference less search, with Student's interval; in how many searches the reference was behind."""
    import numpy as np
    from scipy.special import stdtrit

    gaps = np.array([float(one[name][key]) - float(one["search"][key]) for one in searches if name in one])
    won = f"{int((gaps > 0).sum())} of {len(gaps)}"
    if len(gaps) < 2:
        return f"{gaps.mean():+.3f}, {won}"
    half = float(stdtrit(len(gaps) - 1, 0.975)) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return f"{gaps.mean():+.3f} ± {half:.3f}, {won}"


if __name__ == "__main__":
    cli.run(main, "nas.experiments.against_references")
