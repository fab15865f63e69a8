from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from reporting.runs import COMMAND, four, line, write_run
from reporting.studies import five, study, write_samples, write_study

from nas import report
from nas.errors import StudyError, UsageError


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["nas.report", *map(str, arguments)])
    return report.main()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_study(tmp_path / "base", study(), five())


def test_it_prints_the_ranking_the_front_and_the_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_samples(folder, 1)
    (folder / "arch.json").write_text("{}")
    assert run(monkeypatch, folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "study base: 5 trials ended (budget 40), fitness = val_bpb + 1 x collapse rate"
    best = lines.index("Best by fitness")
    assert [line.split()[1] for line in lines[best + 2 : best + 7]] == ["1", "0", "2", "3", "4"]
    assert f"report  {folder / 'report.html'}" in lines
    assert lines[-1] == f"next    python -m nas.train --arch-json {folder / 'arch.json'} --max-steps 2000"
    assert "This page holds samples" in (folder / "report.html").read_text(encoding="utf-8")


def test_another_weight_changes_the_winner_without_touching_the_study(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """val_bpb + 3 x collapse: trial 0 2.30, 1 2.45, 3 2.50, 2 2.90, 4 3.80."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(monkeypatch, folder, "--collapse-weight", 3, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(one["number"], round(one["fitness"], 6)) for one in printed["ranking"]] == [
        (0, 2.30),
        (1, 2.45),
        (3, 2.50),
        (2, 2.90),
        (4, 3.80),
    ]
    assert {one["number"] for one in printed["front"]} == {0, 1, 2, 3}
    assert [round(one["val_novel_bpb"] - one["val_bpb"], 6) for one in printed["ranking"]] == [0.25] * 5
    assert (printed["collapse_weight"], printed["search_collapse_weight"]) == (3.0, 1.0)
    assert printed["report"] == str(folder / "report-w3.html")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in before} == before


def test_a_study_without_trials_has_a_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "trials.jsonl").unlink()
    assert run(monkeypatch, folder) == 0
    assert "no trial has completed yet" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no front to draw"):
        run(monkeypatch, folder, "--png", folder / "front.png")


@pytest.mark.parametrize("weight", ["-1", "nan", "inf"])
def test_a_weight_that_cannot_be_used_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, weight: str) -> None:
    with pytest.raises(UsageError, match="must be 0 or more"):
        run(monkeypatch, folder, f"--collapse-weight={weight}")


def test_a_png_in_no_folder_is_refused_before_anything_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        run(monkeypatch, folder, "--png", folder / "absent" / "front.png")
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("name", ["study.json", "trials.jsonl"])
def test_a_damaged_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (folder / name).write_text('{"number": "x"}\n{}\n')
    with pytest.raises(StudyError, match=name.replace(".", r"\.")):
        run(monkeypatch, folder)


def test_a_missing_folder_is_one_line_and_exit_code_two(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "nas.report", str(tmp_path / "absent")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("nas.report: error: no folder ")
    assert ran.stderr.count("\n") == 1


def test_a_run_prints_what_is_known_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*four()[:3], line(400, 4.25, 2.625, 3.0, 0.001, (200, "the loss rose"))]
    folder = write_run(tmp_path / "mine", lines, finished=True)
    assert run(monkeypatch, folder) == 0
    printed = [one.split(maxsplit=1) for one in capsys.readouterr().out.splitlines()]
    assert printed == [
        ["run", str(folder)],
        ["architecture", "L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied, 338k parameters"],
        ["state", "Finished: 400 steps, 205k tokens, 4e+08 FLOPs, in 7 min, evaluations 10.0% of it."],
        [
            "best",
            "step 300, val_bpb 2.5000  novel 2.8750; the last one, at step 400, is 0.1250 bits per byte worse",
        ],
        ["holdout", "bpb 2.2500  novel 2.5000  collapse sampled 0.125, greedy 0.500"],
        ["went", "back     to step 200: the loss rose"],
        ["report", str(folder / "report.html")],
        ["next", f"python -m nas.evaluate {folder}"],
    ]
    assert "Run mine" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_run_is_reported_from_its_beginning_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "run")
    assert run(monkeypatch, folder) == 0
    assert "state         Begun: no evaluation yet." in capsys.readouterr().out
    with pytest.raises(UsageError, match="there is no curve to draw"):
        run(monkeypatch, folder, "--png", tmp_path / "curves.png")
    write_run(folder, four()[:2], tail='{"step": 3')
    assert run(monkeypatch, folder, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["run"], found["finished"], found["step"], found["num_steps"]) == ("run", False, 200, 400)
    assert (found["best_step"], found["val_bpb"], found["val_novel_bpb"]) == (200, 3.0, 3.25)
    assert (found["train_tokens"], found["train_flops"]) == (200 * 512, 2e8)
    assert (found["holdout"], found["command"], found["corpus"]) == (None, COMMAND, None)
    assert found["measured"] == {"train_seconds": 180.0, "watch_seconds": 20.0, "tokens_per_second": 2000.0}
    assert (found["report"], found["png"]) == (str(folder / "report.html"), None)


def test_a_finished_run_has_its_verdict_in_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line(400, 4.25, 2.625, 3.0, 0.001, (0, "the loss is nan"))]
    run(monkeypatch, write_run(tmp_path / "run", lines, finished=True), "--json", "--out", tmp_path / "new" / "a.html")
    found = json.loads(capsys.readouterr().out)
    assert (found["finished"], found["corpus"]) == (True, "stdlib")
    assert (found["holdout"]["bpb"], found["holdout"]["collapse_rate"]) == (2.25, 0.5)
    assert found["rollbacks"] == [{"to_step": 0, "reason": "the loss is nan"}]
    assert found["measured"] == {"train_seconds": 360.0, "watch_seconds": 40.0}
    assert found["report"] == str(tmp_path / "new" / "a.html")
    assert (tmp_path / "new" / "a.html").is_file()
    assert not (tmp_path / "run" / "report.html").exists()


def test_several_runs_are_laid_over_each_other_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(Path("long-name"), four(), finished=True)
    write_run(Path("b"))
    assert run(monkeypatch, "long-name", "b") == 0
    assert capsys.readouterr().out.splitlines() == [
        "      run     step  val_bpb   novel  holdout  params  architecture",
        "long-name  400/400   2.5000  2.8750   2.2500    338k  L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied",
        "        b    0/400        \N{EN DASH}       \N{EN DASH}        \N{EN DASH}    338k  "
        "L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied",
        "",
        "report        runs-report.html",
    ]
    assert "2 runs" in Path("runs-report.html").read_text(encoding="utf-8")
    assert run(monkeypatch, "long-name", "b", "--json", "--out", "x.html") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["run"] for one in found["runs"]] == ["long-name", "b"]
    assert (found["report"], found["png"]) == ("x.html", None)
    assert not list(tmp_path.glob("*/report.html"))


def test_a_folder_that_holds_a_study_and_a_run_is_a_study(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(folder, four())
    assert run(monkeypatch, folder) == 0
    assert capsys.readouterr().out.startswith("study base: 5 trials ended")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], r"^no folder absent; give a study, such as trials/NAME, or runs of nas\.train"),
        (["run", "absent"], "^no folder absent"),
        (
            ["empty"],
            r"^empty is neither a study of nas\.search \(no study\.json\) nor a run of nas\.train \(no run\.json\)$",
        ),
        (["run", "empty"], "^empty is neither a study"),
        (["run", "study"], "^study is a study, which is reported alone; several folders are runs"),
        (["study", "study"], "^study is a study, which is reported alone"),
        (["run", "./run"], "^a run is given twice"),
        (["run", "--collapse-weight", "1"], "^--collapse-weight ranks the trials of a study"),
        (["study", "--out", "x.html"], "^--out is of runs"),
        (["run", "--png", "no/x.png"], "^--png no/x.png: there is no folder no$"),
    ],
)
def test_folders_and_flags_that_do_not_fit_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write_run(Path("run"), four())
    write_study(Path("study"), study(), five())
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(UsageError, match=message):
        run(monkeypatch, *arguments)
    assert {path for path in tmp_path.rglob("*")} == before


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, nas.report; print([m for m in ('plotly', 'optuna', 'pydantic', 'torch') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
