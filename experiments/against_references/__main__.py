"""`python -m experiments.against_references`: whether what a search finds is better than what people use without one.

Reads the verdicts of finished searches, each with a seed of its own: the architecture that was chosen and the
references, trained again with fresh seeds at equal FLOPs, on the holdout. The difference to each reference is one
number per search.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import options
from nas import cli

Scores = Mapping[str, float | str]


def parser() -> argparse.ArgumentParser:
    built = options.parser(
        "against_references",
        "Compare what searches found with reference architectures.",
        data="against-references.json",
    )
    built.add_argument("studies", nargs="+", type=Path, metavar="STUDY", help="the folder of a search with its verdict")
    return built


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    from experiments.document import write_tables
    from nas.system.files import write_json

    searches = [read_search(folder) for folder in arguments.studies]
    command = cli.command_line("experiments.against_references", argv)
    write_json(arguments.data, {"command": command, "searches": searches})
    write_tables(arguments.doc, "searches", tables(searches))
    print(f"written: {arguments.data}, {arguments.doc}")
    return 0


def read_search(folder: Path) -> dict[str, Any]:
    """Return the provenance and seed of a search, and its `scores`: of `search`, its choice, and of each reference.

    Scores are means over the verdict's fresh seeds, on the holdout. Raises StudyError where there is no verdict yet.
    """
    from nas.errors import StudyError
    from nas.records.holdout_comparison import comparison_of
    from nas.records.study import read_study
    from nas.records.trial import read_trials
    from nas.search.verdict import is_complete_verdict
    from nas.space.search_space import SearchSpace

    study, records = read_study(folder / "study.json"), read_trials(folder / "trials.jsonl")
    comparison = comparison_of(study, records, study.collapse_weight)
    space = SearchSpace.model_validate(study.space)
    if comparison is None or not is_complete_verdict(records, study.verdict, space, study.seed):
        raise StudyError(f"{folder} has no complete verdict; run its search to the end")
    by_number = {record.number: record for record in records}
    scores: dict[str, Scores] = {}
    for finalist in comparison.finalists:
        record = by_number[finalist.number]
        values: Scores = {
            "architecture": record.architecture.describe(),
            "fitness": finalist.fitness,
            "bpb": finalist.bpb,
            "collapse_rate": finalist.collapse_rate,
        }
        if finalist.number == comparison.chosen:
            scores["search"] = values
        if record.reference:
            scores[record.reference] = values
    return {"provenance": study.provenance, "seed": study.seed, "scores": scores}


def tables(searches: Sequence[Mapping[str, Any]]) -> str:
    """Return Markdown: the choice of each search, and how much worse each reference is, with 95% intervals."""
    from experiments.document import markdown

    all_scores: list[Mapping[str, Scores]] = [search["scores"] for search in searches]
    references = list(dict.fromkeys(name for scores in all_scores for name in scores if name != "search"))
    rows = [
        [
            str(search["seed"]),
            str(scores["search"]["architecture"]),
            *(_shown(scores[name]) if name in scores else "" for name in ("search", *references)),
        ]
        for search, scores in zip(searches, all_scores, strict=True)
    ]
    gaps = [
        [name, *(_gap(all_scores, name, key) for key in ("fitness", "bpb", "collapse_rate"))] for name in references
    ]
    return "\n\n".join(
        [
            "Fitness = bits per byte + weight x collapse rate, means over the fresh seeds.",
            markdown(("seed of the search", "chosen", "its scores", *references), rows),
            markdown(("reference minus search", "fitness", "bits per byte", "collapse rate"), gaps),
        ]
    )


def _shown(scores: Scores) -> str:
    return f"{scores['fitness']:.3f} ({scores['bpb']:.3f}, {scores['collapse_rate']:.2f})"


def _gap(all_scores: Sequence[Mapping[str, Scores]], reference: str, key: str) -> str:
    """Return the mean of reference minus search, with Student's interval, and how often the reference was worse."""
    import numpy as np
    from scipy.stats import sem, t

    both = [scores for scores in all_scores if reference in scores]
    gaps = np.array([float(scores[reference][key]) - float(scores["search"][key]) for scores in both])
    worse = f"{int((gaps > 0).sum())} of {len(gaps)}"
    if len(gaps) < 2:
        return f"{gaps.mean():+.3f}, {worse}"
    half = float(t.ppf(0.975, len(gaps) - 1) * sem(gaps))
    return f"{gaps.mean():+.3f} ± {half:.3f}, {worse}"


if __name__ == "__main__":
    cli.run(main, "experiments.against_references")
