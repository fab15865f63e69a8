"""`python -m experiments.against_references`: is what a search finds better than what people take without one?

Of finished searches, each with a seed of its own, the verdict: the architecture it takes and the references, trained
again with fresh seeds at equal FLOPs, on the holdout. The difference to each reference is one number a search.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nas import cli

Measures = Mapping[str, float | str]


def parser() -> argparse.ArgumentParser:
    built = cli.parser("experiments.against_references", "Set what searches found against reference architectures.")
    built.add_argument("studies", nargs="+", type=Path, metavar="STUDY", help="the folder of a search with its verdict")
    built.add_argument(
        "--data", type=Path, default=Path("experiments/against_references/against-references.json"), metavar="FILE"
    )
    built.add_argument("--doc", type=Path, default=Path("experiments/against_references/README.md"), metavar="FILE")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from nas.system.files import write_json

    searches = [search_of(one) for one in arguments.studies]
    write_json(
        arguments.data, {"command": cli.command_line("experiments.against_references", argv), "searches": searches}
    )
    write_tables(arguments.doc, "searches", tables(searches))
    print(f"written: {arguments.data}, {arguments.doc}")
    return 0


def search_of(folder: Path) -> dict[str, Any]:
    """Where it comes from, its `seed` and `measures`: of `search`, what it took, and of each reference.

    Means over the verdict's fresh seeds, on the holdout. StudyError where there is no verdict yet.
    """
    from nas.errors import StudyError
    from nas.records.holdout_comparison import comparison_of
    from nas.records.study import read_study, read_trials
    from nas.search.verdict import is_complete_verdict
    from nas.space.search_space import SearchSpace

    study, records = read_study(folder / "study.json"), read_trials(folder / "trials.jsonl")
    comparison = comparison_of(study, records, study.collapse_weight)
    space = SearchSpace.model_validate(study.space)
    if comparison is None or not is_complete_verdict(records, study.verdict, space, study.seed):
        raise StudyError(f"{folder} has no whole verdict; run its search to the end")
    by_number = {one.number: one for one in records}
    measures: dict[str, Measures] = {}
    for one in comparison.finalists:
        record = by_number[one.number]
        values: Measures = {
            "architecture": record.architecture.describe(),
            "fitness": one.fitness,
            "bpb": one.bpb,
            "collapse_rate": one.collapse_rate,
        }
        if one.number == comparison.chosen:
            measures["search"] = values
        if record.reference:
            measures[record.reference] = values
    return {"provenance": study.provenance, "seed": study.seed, "measures": measures}


def tables(searches: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: what each search took, and how far each reference is behind it, with 95% intervals over searches."""
    from experiments.document import markdown

    found: list[Mapping[str, Measures]] = [one["measures"] for one in searches]
    names = list(dict.fromkeys(name for one in found for name in one if name != "search"))
    rows = [
        [
            f"with seed {one['seed']}",
            str(measures["search"]["architecture"]),
            *(_shown(measures[name]) if name in measures else "" for name in ("search", *names)),
        ]
        for one, measures in zip(searches, found, strict=True)
    ]
    behind = [[name, *(_behind(found, name, key) for key in ("fitness", "bpb", "collapse_rate"))] for name in names]
    return "\n\n".join(
        [
            "Fitness = bits per byte + weight x collapse rate, means over the fresh seeds.",
            markdown(("search", "takes", "what it takes", *names), rows),
            markdown(("behind the search", "fitness", "bits per byte", "collapse rate"), behind),
        ]
    )


def _shown(measures: Measures) -> str:
    return f"{measures['fitness']:.3f} ({measures['bpb']:.3f}, {measures['collapse_rate']:.2f})"


def _behind(searches: Sequence[Mapping[str, Measures]], name: str, key: str) -> str:
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
    cli.run(main, "experiments.against_references")
