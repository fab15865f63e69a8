"""python -m nas.report FOLDER: rank a study's trials, at any collapse weight, and write its report anew."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.records import StudyRecord, TrialRecord


def main(argv: list[str] | None = None) -> int:
    """Parse, rank, write, print. Nothing is trained; only records are read."""
    options = parser().parse_args(argv)
    weight, png = options.collapse_weight, options.png
    if weight is not None and not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"--collapse-weight {weight:g} must be 0 or more: bits per byte for a collapse rate of 1")
    if not options.folder.is_dir():
        raise UsageError(f"no study folder at {options.folder}; a search writes one, such as trials/NAME")
    if png and not png.parent.is_dir():
        raise UsageError(f"--png {png}: there is no folder {png.parent}")

    from nas.reporting.page import write_report
    from nas.reporting.samples import read_samples
    from nas.reporting.sections import compared

    study, records = _read(options.folder)
    weight = study.collapse_weight if weight is None else weight
    records = [one.reweighted(weight) for one in records]
    samples = read_samples(options.folder, [one.number for one in compared(records)])
    report = write_report(options.folder, study, records, samples, collapse_weight=weight)
    if png:
        _write_png(records, png)
    if options.json:
        print(json.dumps(_as_json(study, records, weight, report, png)))
    else:
        _print(study, records, weight, report, png)
    return 0


def parser() -> argparse.ArgumentParser:
    built = cli.parser("nas.report", "Rank the trials of a study and write its report again, from its records alone.")
    built.add_argument("folder", type=Path, metavar="FOLDER", help="a study folder, such as trials/base")
    built.add_argument(
        "--collapse-weight",
        type=float,
        metavar="W",
        help="rank by val_bpb + W x collapse rate instead of the study's own weight; writes report-wW.html",
    )
    built.add_argument("--png", type=Path, metavar="FILE", help="write the Pareto front as PNG too (needs a Chrome)")
    built.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return built


def _read(folder: Path) -> tuple[StudyRecord, list[TrialRecord]]:
    """The study and its trials; a study that has just begun may have no trials.jsonl yet."""
    from nas.records import read_study, read_trials

    study = read_study(folder / "study.json")
    trials = folder / "trials.jsonl"
    return study, read_trials(trials) if trials.exists() else []


def _write_png(records: Sequence[TrialRecord], path: Path) -> None:
    from nas.records import completed
    from nas.reporting.figures import pareto_figure, write_png

    if not completed(records):
        raise UsageError("--png: no trial has completed yet, so there is no front to draw")
    write_png(pareto_figure(records), path)


def _print(study: StudyRecord, records: Sequence[TrialRecord], weight: float, report: Path, png: Path | None) -> None:
    from nas.reporting import tables

    budget = f" (budget {study.budget})" if study.budget is not None else ""
    print(f"study {study.name}: {len(records)} trials ended{budget}, fitness = val_bpb + {weight:g} x collapse rate")
    if weight != study.collapse_weight:
        print(f"(the search itself used a collapse weight of {study.collapse_weight:g})")
    lines = tables.ranking(records)
    if lines:
        print("\nBest by fitness", *lines, sep="\n")
        print("\nPareto front: val_bpb, collapse, params", *tables.front(records), sep="\n")
    else:
        print("no trial has completed yet")
    print(f"\nreport  {report}")
    if png:
        print(f"png     {png}")
    if (report.parent / "arch.json").is_file():
        print(f"next    python -m nas.train --arch-json {report.parent / 'arch.json'} --max-steps 2000")


def _as_json(
    study: StudyRecord, records: Sequence[TrialRecord], weight: float, report: Path, png: Path | None
) -> dict[str, Any]:
    from nas.records import completed, front

    return {
        "study": study.name,
        "collapse_weight": weight,
        "search_collapse_weight": study.collapse_weight,
        "num_trials": len(records),
        "ranking": [_trial_json(one) for one in completed(records)],
        "front": [_trial_json(one) for one in front(records)],
        "report": str(report),
        "png": str(png) if png else None,
    }


def _trial_json(record: TrialRecord) -> dict[str, Any]:
    return {
        "number": record.number,
        "reference": record.reference,
        "val_bpb": record.val_bpb,
        "val_novel_bpb": record.val_novel_bpb,
        "collapse_rate": record.collapse_rate,
        "fitness": record.fitness,
        "num_params": record.architecture.num_params,
        "describe": record.architecture.describe(),
        "architecture": record.architecture.model_dump(),
    }


if __name__ == "__main__":
    cli.run(main, "nas.report")
