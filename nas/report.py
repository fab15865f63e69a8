"""python -m nas.report FOLDER: a study's trials ranked, or a full training's curves, and its report written anew."""

from __future__ import annotations

import argparse
import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.records import StudyRecord, TrialRecord
    from nas.training_records import TrainingRun

_STUDY_FILE = "study.json"
_RUNS_REPORT = Path("runs-report.html")


def main(argv: list[str] | None = None) -> int:
    """Parse, read, write, print. Nothing is trained; only records are read."""
    options = parser().parse_args(argv)
    if options.png and not options.png.parent.is_dir():
        raise UsageError(f"--png {options.png}: there is no folder {options.png.parent}")
    if is_study(options):
        report_study(options)
    else:
        report_runs(options)
    return 0


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "nas.report",
        "Rank the trials of a study, or draw the learning curves of full trainings, and write the report: from records "
        "alone, at any time.",
    )
    built.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="a study, such as trials/base; or a run of nas.train, or several to lay their curves over each other",
    )
    built.add_argument("--png", type=Path, metavar="FILE", help="write the first figure as PNG too (needs a Chrome)")
    built.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    study = built.add_argument_group("of a study")
    study.add_argument(
        "--collapse-weight",
        type=float,
        metavar="W",
        help="rank by val_bpb + W x collapse rate instead of the study's own weight; writes report-wW.html",
    )
    runs = built.add_argument_group("of runs")
    runs.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where the page goes (default: FOLDER/report.html, of several runs {_RUNS_REPORT})",
    )
    return built


def is_study(options: argparse.Namespace) -> bool:
    """Whether a study was given, and not runs; UsageError for what is neither, and for flags of the other."""
    from nas.training_records import is_training_run

    folders: list[Path] = options.folders
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"no folder {folder}; give a study, such as trials/NAME, or runs of nas.train, such as runs/NAME"
            )
    runs = [one for one in folders if is_training_run(one) and not (one / _STUDY_FILE).is_file()]
    if len(runs) == len(folders):
        if options.collapse_weight is not None:
            raise UsageError("--collapse-weight ranks the trials of a study; a run of nas.train has none")
        if len({one.resolve() for one in folders}) < len(folders):
            raise UsageError("a run is given twice; give different ones to lay their curves over each other")
        return False
    (other, *_) = [one for one in folders if one not in runs]
    if not (other / _STUDY_FILE).is_file():
        raise UsageError(
            f"{other} is neither a study of nas.search (no {_STUDY_FILE}) nor a run of nas.train (no run.json)"
        )
    if len(folders) > 1:
        raise UsageError(f"{other} is a study, which is reported alone; several folders are runs of nas.train")
    if options.out:
        raise UsageError("--out is of runs; the report of a study stands in its folder")
    return True


def report_study(options: argparse.Namespace) -> None:
    """Rank anew at the weight that is asked for, and write the page."""
    from nas.reporting.page import write_report
    from nas.reporting.samples import read_samples

    (folder,) = options.folders
    weight, png = options.collapse_weight, options.png
    if weight is not None and not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"--collapse-weight {weight:g} must be 0 or more: bits per byte for a collapse rate of 1")
    study, records = _read(folder)
    weight = study.collapse_weight if weight is None else weight
    records = [one.reweighted(weight) for one in records]
    samples = read_samples(folder, [one.number for one in records])
    report = write_report(folder, study, records, samples, collapse_weight=weight)
    if png:
        _write_png(records, png)
    if options.json:
        print(json.dumps(_as_json(study, records, weight, report, png)))
    else:
        _print(study, records, weight, report, png)


def report_runs(options: argparse.Namespace) -> None:
    """Write the page of one run, or of several over each other."""
    from nas.reporting import run_text
    from nas.reporting.run_page import write_run_report
    from nas.training_records import read_training_run

    runs = [read_training_run(folder) for folder in options.folders]
    report = options.out or (runs[0].folder / "report.html" if len(runs) == 1 else _RUNS_REPORT)
    write_run_report(report, runs)
    if options.png:
        _write_curves(runs, options.png)
    if options.json:
        paths = {"report": str(report), "png": str(options.png) if options.png else None}
        facts = [run_text.as_json(run) for run in runs]
        print(json.dumps((facts[0] if len(runs) == 1 else {"runs": facts}) | paths))
    else:
        _print_runs(runs, report, options.png)


def _write_curves(runs: Sequence[TrainingRun], path: Path) -> None:
    from nas.reporting.curves import HEIGHT, learning_curves
    from nas.reporting.drawing import write_png

    if not any(run.lines for run in runs):
        raise UsageError("--png: there has been no evaluation yet, so there is no curve to draw")
    write_png(learning_curves(runs), path, height=HEIGHT)


def _print_runs(runs: Sequence[TrainingRun], report: Path, png: Path | None) -> None:
    """What is known, the paths written, and what to do next."""
    from nas.reporting import run_text

    found = {}
    if len(runs) == 1:
        found = run_text.lines(runs[0])
    else:
        print(*run_text.table(runs), "", sep="\n")
    found["report"] = str(report)
    if png:
        found["png"] = str(png)
    if len(runs) == 1 and runs[0].lines:
        found["next"] = f"python -m nas.evaluate {shlex.quote(str(runs[0].folder))}"
    for name, text in found.items():
        print(f"{name:<13} {text}")


def _read(folder: Path) -> tuple[StudyRecord, list[TrialRecord]]:
    """The study and its trials; a study that has just begun may have no trials.jsonl yet."""
    from nas.records import read_study, read_trials

    study = read_study(folder / _STUDY_FILE)
    trials = folder / "trials.jsonl"
    return study, read_trials(trials) if trials.exists() else []


def _write_png(records: Sequence[TrialRecord], path: Path) -> None:
    from nas.records import completed
    from nas.reporting.charts.pareto import pareto_figure
    from nas.reporting.drawing import write_png

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
