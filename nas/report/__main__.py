"""python -m nas.report FOLDER: print a study's ranking, or a full training's curves, and write the report again."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas import cli
from nas.errors import UsageError
from nas.report.inputs import Input, input_of

if TYPE_CHECKING:
    from nas.records.study import StudyRecord

_RUNS_REPORT, _STUDIES_REPORT = Path("runs-report.html"), Path("studies-report.html")


def main(argv: list[str] | None = None) -> int:
    """Parse, read, write, print. Nothing is trained; only records are read."""
    built = parser()
    options = built.parse_args(argv)
    if options.png and not options.png.parent.is_dir():
        raise UsageError(f"--png {options.png}: there is no folder {options.png.parent}")
    reports: dict[Input, Callable[[argparse.Namespace], None]] = {
        Input.LIST: list_studies,
        Input.STORAGE: report_storage,
        Input.STUDY: report_study,
        Input.STUDY_TEXT: print_study,
        Input.STUDIES: compare_studies,
        Input.RUNS: report_runs,
    }
    reports[input_of(options, built)](options)
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    built = cli.parser(
        "nas.report",
        "Rank the trials of a study, or draw the learning curves of full trainings, and write the report: from records "
        "alone, at any time.",
    )
    built.add_argument(
        "folders",
        nargs="*",
        metavar="FOLDER",
        help="a study, such as trials/base, or several to compare; a run of nas.train, or several to draw their curves "
        "in one chart; or any Optuna storage, such as sqlite:///study.db",
    )
    built.add_argument("--png", type=Path, metavar="FILE", help="write the first figure as PNG too (needs a Chrome)")
    built.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    built.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"where to write the page (default: FOLDER/report.html; for several runs {_RUNS_REPORT}, for several "
        f"studies {_STUDIES_REPORT})",
    )
    study = built.add_argument_group("of a study")
    study.add_argument(
        "--collapse-weight",
        type=cli.non_negative_float,
        metavar="W",
        help="rank by val_bpb + W x collapse rate instead of the study's own weight; writes report-wW.html",
    )
    study.add_argument(
        "--format",
        default="html",
        metavar="F,F",
        help="the files to write, with the page's name and these endings: html, md, json, png (default: html)",
    )
    study.add_argument("--no-samples", action="store_true", help="leave out what models wrote, which may be private")
    study.add_argument("--text", action="store_true", help="print the result, the front and the top ten; write nothing")
    study.add_argument("--list", action="store_true", help="list the studies in FOLDER (default: trials)")
    study.add_argument("--study", metavar="NAME", help="the study to report, if an Optuna storage holds several")
    return built


def print_study(options: argparse.Namespace) -> None:
    from nas.report.study.files import read_view
    from nas.report.study.text import study_lines

    print(*study_lines(read_view(Path(options.folders[0]), options.collapse_weight)), sep="\n")


def report_study(options: argparse.Namespace) -> None:
    """Write the report at the given weight, in the given formats, and print the ranking."""
    from nas.report.study.files import as_json, checked_formats, read_view, write_front, write_study
    from nas.report.study.text import heading, ranking_and_front

    folder, formats = Path(options.folders[0]), checked_formats(options.format)
    view = read_view(folder, options.collapse_weight)
    written = write_study(folder, view, formats, options.out, with_samples=not options.no_samples)
    if options.png:
        write_front(view, options.png)
    if options.json:
        paths = {"report": written[0], "written": written, "png": str(options.png) if options.png else None}
        print(json.dumps(as_json(view) | paths))
        return
    print(*heading(view), *ranking_and_front(view), "", sep="\n")
    _print_written(folder, view.study, written, options.png)


def _print_written(folder: Path, study: StudyRecord, written: Sequence[str], png: Path | None) -> None:
    from nas.report.study.commands import next_commands

    for path in written:
        print(f"report  {path}")
    if png:
        print(f"png     {png}")
    arch = folder / "arch.json"
    if arch.is_file():
        provenance = json.loads(arch.read_text(encoding="utf-8")).get("provenance", {})
        trial = "" if provenance.get("trial") is None else f"trial {provenance['trial']}, "
        print(f"arch    {arch}: {trial}{provenance.get('why', 'of this study')}")
        print(f"next    {next_commands(folder, study)[0].words}")


def compare_studies(options: argparse.Namespace) -> None:
    """Write the page of several studies, and print a line for each."""
    from nas.report.study.comparison import named, write_comparison
    from nas.report.study.files import read_view
    from nas.report.study.text import list_lines

    folders = [Path(name) for name in options.folders]
    views = [read_view(folder, options.collapse_weight) for folder in folders]
    report = options.out or _STUDIES_REPORT
    write_comparison(report, named(folders, views))
    print(*list_lines(zip(folders, views, strict=True)), "", f"report  {report}", sep="\n")


def list_studies(options: argparse.Namespace) -> None:
    from nas.report.study.files import read_view, study_folders
    from nas.report.study.text import list_lines

    given = [Path(name) for name in options.folders or ["trials"]]
    folders = [folder for path in given for folder in study_folders(path)]
    if not folders:
        print(f"no study in {', '.join(map(str, given))}; python -m nas.search makes one")
        return
    print(*list_lines((folder, read_view(folder)) for folder in folders), sep="\n")


def report_storage(options: argparse.Namespace) -> None:
    """Write the page of an Optuna study that nas.search need not have made."""
    from nas.report.study.foreign_study import load_foreign, write_foreign

    given: str = options.folders[0]
    storage = given if "://" in given else f"sqlite:///{given}"
    study = load_foreign(storage, options.study)
    report = options.out or Path(f"{_file_name(study.study_name)}-report.html")
    write_foreign(report, study)
    print(f"study {study.study_name}: {len(study.get_trials(deepcopy=False))} trials\nreport  {report}")


def _file_name(name: str) -> str:
    return "".join(character if character.isalnum() or character in "-_" else "-" for character in name) or "study"


def report_runs(options: argparse.Namespace) -> None:
    """Write the page of one run, or of several in one chart."""
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


if __name__ == "__main__":
    cli.run(main, "nas.report")
