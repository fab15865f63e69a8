"""python -m nas.report FOLDER: a study's trials ranked, or a full training's curves, and its report written anew."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli
from nas.errors import UsageError

if TYPE_CHECKING:
    from nas.records.study import StudyRecord, TrialRecord

_STUDY_FILE = "study.json"
_RUNS_REPORT, _STUDIES_REPORT = Path("runs-report.html"), Path("studies-report.html")


def main(argv: list[str] | None = None) -> int:
    """Parse, read, write, print. Nothing is trained; only records are read."""
    from nas.report.flags import refuse_others

    built = parser()
    options = built.parse_args(argv)
    if options.png and not options.png.parent.is_dir():
        raise UsageError(f"--png {options.png}: there is no folder {options.png.parent}")
    what, report = _asked_for(options)
    refuse_others(options, built, what)
    report(options)
    return 0


def _asked_for(options: argparse.Namespace) -> tuple[str, Callable[[argparse.Namespace], None]]:
    """What is to be reported, in words, and what reports it."""
    if options.list:
        return "a list of studies", list_studies
    if any(map(is_storage, options.folders)):
        return "an Optuna storage", report_storage
    if not are_studies(options.folders):
        return "runs of nas.train", report_runs
    if len(options.folders) > 1:
        return "a page of several studies", compare_studies
    return "a study as text" if options.text else "a study", report_study


def parser() -> argparse.ArgumentParser:
    built = cli.parser(
        "nas.report",
        "Rank the trials of a study, or draw the learning curves of full trainings, and write the report: from records "
        "alone, at any time.",
    )
    built.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="a study, such as trials/base, or several to compare; a run of nas.train, or several to lay their curves "
        "over each other; or anyone's Optuna storage, such as sqlite:///study.db",
    )
    built.add_argument("--png", type=Path, metavar="FILE", help="write the first figure as PNG too (needs a Chrome)")
    built.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    built.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where the page goes (default: FOLDER/report.html; of several runs {_RUNS_REPORT}, of several studies "
        f"{_STUDIES_REPORT})",
    )
    study = built.add_argument_group("of a study")
    study.add_argument(
        "--collapse-weight",
        type=float,
        metavar="W",
        help="rank by val_bpb + W x collapse rate instead of the study's own weight; writes report-wW.html",
    )
    study.add_argument(
        "--format",
        default="html",
        metavar="F,F",
        help="what is written, beside each other: html, md, json, png (default: html)",
    )
    study.add_argument("--no-samples", action="store_true", help="leave out what models wrote, which may be private")
    study.add_argument("--text", action="store_true", help="print verdict, front and top ten; write nothing")
    study.add_argument("--list", action="store_true", help="list the studies in FOLDER (default: trials)")
    study.add_argument("--study", metavar="NAME", help="which one, where an Optuna storage holds several")
    return built


def is_storage(given: str) -> bool:
    """Whether it is a database URL, or a file of SQLite, and no folder."""
    return "://" in given or (given.endswith((".db", ".sqlite3")) and not Path(given).is_dir())


def are_studies(given: Sequence[str]) -> bool:
    """Whether folders of studies were given, and not of runs; UsageError for what is neither."""
    from nas.records.training import is_training_run

    if not given:
        raise UsageError("give a study, such as trials/NAME, or runs of nas.train; --list shows the studies at hand")
    folders = [Path(one) for one in given]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"no folder {folder}; give a study, such as trials/NAME, or runs of nas.train, such as runs/NAME"
            )
    if len({one.resolve() for one in folders}) < len(folders):
        raise UsageError("a folder is given twice; give different ones to compare them")
    runs = [one for one in folders if is_training_run(one) and not (one / _STUDY_FILE).is_file()]
    if len(runs) == len(folders):
        return False
    for other in folders:
        if other not in runs and not (other / _STUDY_FILE).is_file():
            raise UsageError(
                f"{other} is neither a study of nas.search (no {_STUDY_FILE}) nor a run of nas.train (no run.json)"
            )
    if runs:
        raise UsageError(f"{runs[0]} is a run of nas.train and others are studies; compare runs or studies")
    return True


def report_study(options: argparse.Namespace) -> None:
    """Rank anew at the weight that is asked for, and write what is asked for."""
    from nas.report.study import study_json
    from nas.report.study import text as study_text
    from nas.report.study.files import checked_formats, write_front, write_study
    from nas.report.study.page import report_name

    folder, formats = Path(options.folders[0]), checked_formats(options.format)
    study, records, weight = _ranked(folder, options.collapse_weight)
    if options.text:
        print(*study_text.study_lines(study, records, weight), sep="\n")
        return
    page = options.out or folder / report_name(study, weight)
    written = write_study(folder, study, records, weight, page, formats, with_samples=not options.no_samples)
    if options.png:
        write_front(records, options.png)
    if options.json:
        paths = {"report": written[0], "written": written, "png": str(options.png) if options.png else None}
        print(json.dumps(study_json.as_json(study, records, weight) | paths))
        return
    print(*study_text.heading(study, records, weight), *study_text.ranking_and_front(records), "", sep="\n")
    _print_written(folder, study, written, options.png)


def _ranked(folder: Path, weight: float | None) -> tuple[StudyRecord, list[TrialRecord], float]:
    """The study, its trials by the fitness of `weight` or of its own, and that weight."""
    if weight is not None and not (math.isfinite(weight) and weight >= 0):
        raise UsageError(f"--collapse-weight {weight:g} must be 0 or more: bits per byte for a collapse rate of 1")
    study, records = _read(folder)
    weight = study.collapse_weight if weight is None else weight
    return study, [one.reweighted(weight) for one in records], weight


def _print_written(folder: Path, study: StudyRecord, written: Sequence[str], png: Path | None) -> None:
    from nas.report.study.commands import next_commands

    for path in written:
        print(f"report  {path}")
    if png:
        print(f"png     {png}")
    arch = folder / "arch.json"
    if arch.is_file():
        made = json.loads(arch.read_text(encoding="utf-8")).get("provenance", {})
        trial = "" if made.get("trial") is None else f"trial {made['trial']}, "
        print(f"arch    {arch}: {trial}{made.get('why', 'of this study')}")
        print(f"next    {next_commands(folder, study)[0][1]}")


def compare_studies(options: argparse.Namespace) -> None:
    """Write the page of several studies, and print a line each."""
    from nas.report.study.comparison import named, write_comparison
    from nas.report.study.study_list import list_lines

    folders = [Path(one) for one in options.folders]
    ranked = [_ranked(one, options.collapse_weight) for one in folders]
    studies = [study.model_copy(update={"collapse_weight": weight}) for study, _, weight in ranked]
    records = [found for _, found, _ in ranked]
    report = options.out or _STUDIES_REPORT
    write_comparison(report, named(folders, studies, records))
    print(*list_lines(zip(folders, studies, records, strict=True)), "", f"report  {report}", sep="\n")


def list_studies(options: argparse.Namespace) -> None:
    from nas.report.study.study_list import list_lines, study_folders

    given = [Path(one) for one in options.folders or ["trials"]]
    folders = [found for one in given for found in study_folders(one)]
    if not folders:
        print(f"no study in {', '.join(map(str, given))}; python -m nas.search makes one")
        return
    print(*list_lines((one, *_read(one)) for one in folders), sep="\n")


def report_storage(options: argparse.Namespace) -> None:
    """Anyone's Optuna study, with what it has."""
    from nas.report.study.foreign_study import load_foreign, write_foreign

    if len(options.folders) > 1:
        raise UsageError("an Optuna storage is reported alone")
    given: str = options.folders[0]
    storage = given if "://" in given else f"sqlite:///{given}"
    study = load_foreign(storage, options.study)
    report = options.out or Path(f"{_file_name(study.study_name)}-report.html")
    write_foreign(report, study)
    print(f"study {study.study_name}: {len(study.get_trials(deepcopy=False))} trials\nreport  {report}")


def _file_name(name: str) -> str:
    return "".join(one if one.isalnum() or one in "-_" else "-" for one in name) or "study"


def report_runs(options: argparse.Namespace) -> None:
    """Write the page of one run, or of several over each other."""
    from nas.records.training import read_training_run
    from nas.report.run import text as run_text
    from nas.report.run.page import write_curves, write_run_report

    runs = [read_training_run(Path(folder)) for folder in options.folders]
    report = options.out or (runs[0].folder / "report.html" if len(runs) == 1 else _RUNS_REPORT)
    write_run_report(report, runs)
    if options.png:
        write_curves(runs, options.png)
    if options.json:
        paths = {"report": str(report), "png": str(options.png) if options.png else None}
        facts = [run_text.as_json(run) for run in runs]
        print(json.dumps((facts[0] if len(runs) == 1 else {"runs": facts}) | paths))
        return
    print(*run_text.summary_lines(runs, report, options.png), sep="\n")


def _read(folder: Path) -> tuple[StudyRecord, list[TrialRecord]]:
    """The study and its trials; a study that has just begun may have no trials.jsonl yet."""
    from nas.records.study import read_study, read_trials

    study = read_study(folder / _STUDY_FILE)
    trials = folder / "trials.jsonl"
    return study, read_trials(trials) if trials.exists() else []


if __name__ == "__main__":
    cli.run(main, "nas.report")
