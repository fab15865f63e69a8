from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from nas.errors import StudyError, UsageError
from nas.report import __main__ as report
from tests.helpers.report_runs import COMMAND, four, line, write_run
from tests.helpers.report_studies import five, study, write_samples, write_study


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["nas.report", *map(str, arguments)])
    return report.main()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_study(tmp_path / "base", study(), five())


def test_a_study_prints_its_ranking_front_and_report(
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
    assert [(entry["number"], round(entry["fitness"], 6)) for entry in printed["ranking"]] == [
        (0, 2.30),
        (1, 2.45),
        (3, 2.50),
        (2, 2.90),
        (4, 3.80),
    ]
    assert {entry["number"] for entry in printed["front"]} == {0, 1, 2, 3}
    assert [round(entry["val_novel_bpb"] - entry["val_bpb"], 6) for entry in printed["ranking"]] == [0.25] * 5
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
def test_a_weight_that_cannot_be_used_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weight: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, folder, f"--collapse-weight={weight}")
    error = capsys.readouterr().err
    assert "--collapse-weight" in error and f"'{weight}'" in error


def test_a_png_in_a_missing_folder_is_refused_before_anything_is_written(
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


def test_text_prints_the_verdict_the_front_and_the_top_ten_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "--text") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("best        trial 1: L2 H128 V2048")
    assert {"Best by fitness", "Pareto front: val_bpb, collapse, params"} <= set(lines)
    assert sorted(path.name for path in folder.iterdir()) == ["study.json", "trials.jsonl"]


def test_list_shows_the_studies_below_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "reference" / "begun", study(complete=False, budget=None), [])
    assert run(monkeypatch, tmp_path, "--list") == 0
    _, base, begun = capsys.readouterr().out.splitlines()
    assert base.split()[:5] == [str(folder), "complete", "5/40", "1.850", "2.050"]
    assert begun.split()[:4] == [str(tmp_path / "reference" / "begun"), "not", "complete", "0"]
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "--list") == 0
    assert capsys.readouterr().out == "no study in trials; python -m nas.search makes one\n"


def test_every_format_is_written_next_to_the_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "--format", "html,md,json", "--out", folder / "new.html") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("report")] == [
        str(folder / f"new.{ending}") for ending in ("html", "md", "json")
    ]
    assert (
        (folder / "new.md").read_text(encoding="utf-8").startswith("# Study base\n\nThe best architecture is trial 1")
    )
    assert json.loads((folder / "new.json").read_text())["ranking"][0]["number"] == 1
    assert not (folder / "report.html").exists()


def test_samples_can_be_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_samples(folder, 1, completion="secret_of_ours")
    run(monkeypatch, folder, "--no-samples")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "secret_of_ours" not in page and "This page holds samples" not in page
    run(monkeypatch, folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "secret_of_ours" in page and "This page holds samples" in page


def test_several_studies_are_compared_in_the_current_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "other", study(seed=8), five()[1:])
    assert run(monkeypatch, folder, "other") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "report  studies-report.html"
    assert "2 studies" in Path("studies-report.html").read_text(encoding="utf-8")


def test_a_study_of_optuna_is_reported_and_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "theirs"):
        made = optuna.create_study(storage="sqlite:///foreign.db", study_name=name)
        made.add_trial(optuna.create_trial(value=0.5))
    before = Path("foreign.db").read_bytes()
    with pytest.raises(UsageError, match=r"2 studies in sqlite:///foreign\.db.*--study.*mine, theirs"):
        run(monkeypatch, "foreign.db")
    assert run(monkeypatch, "sqlite:///foreign.db", "--study", "theirs") == 0
    assert capsys.readouterr().out == "study theirs: 1 trials\nreport  theirs-report.html\n"
    assert Path("foreign.db").read_bytes() == before


def test_a_run_prints_its_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*four()[:3], line(400, 4.25, 2.625, 3.0, 0.001, (200, "the loss rose"))]
    folder = write_run(tmp_path / "mine", lines, finished=True)
    assert run(monkeypatch, folder) == 0
    printed = [text.split(maxsplit=1) for text in capsys.readouterr().out.splitlines()]
    assert printed == [
        ["run", str(folder)],
        ["architecture", "L2 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied, 338k parameters"],
        ["state", "Finished: 400 steps, 205k tokens, 4e+08 FLOPs, in 7 min, evaluations 10.0% of it."],
        [
            "best",
            "step 300, val_bpb 2.5000  novel 2.8750; the last one, at step 400, is 0.1250 bits per byte worse",
        ],
        ["holdout", "bpb 2.2500  novel 2.5000  collapse sampled 0.125, greedy 0.500"],
        ["rollbacks", "to step 200: the loss rose"],
        ["report", str(folder / "report.html")],
        ["next", f"python -m nas.evaluate {folder}"],
    ]
    assert "Run mine" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_run_is_reported_before_its_first_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "run")
    assert run(monkeypatch, folder) == 0
    assert "no evaluation yet" in capsys.readouterr().out
    with pytest.raises(UsageError, match="there is no curve to draw"):
        run(monkeypatch, folder, "--png", tmp_path / "curves.png")
    write_run(folder, four()[:2], tail='{"step": 3')
    assert run(monkeypatch, folder, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["run"], printed["finished"], printed["step"], printed["num_steps"]) == ("run", False, 200, 400)
    assert (printed["best_step"], printed["val_bpb"], printed["val_novel_bpb"]) == (200, 3.0, 3.25)
    assert (printed["train_tokens"], printed["train_flops"]) == (200 * 512, 2e8)
    assert (printed["holdout"], printed["command"], printed["corpus"]) == (None, COMMAND, None)
    assert printed["measured"] == {"train_seconds": 180.0, "watch_seconds": 20.0, "tokens_per_second": 2000.0}
    assert (printed["report"], printed["png"]) == (str(folder / "report.html"), None)


def test_a_finished_run_has_its_verdict_in_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line(400, 4.25, 2.625, 3.0, 0.001, (0, "the loss is nan"))]
    run(monkeypatch, write_run(tmp_path / "run", lines, finished=True), "--json", "--out", tmp_path / "new" / "a.html")
    printed = json.loads(capsys.readouterr().out)
    assert (printed["finished"], printed["corpus"]) == (True, "stdlib")
    assert (printed["holdout"]["bpb"], printed["holdout"]["collapse_rate"]) == (2.25, 0.5)
    assert printed["rollbacks"] == [{"to_step": 0, "reason": "the loss is nan"}]
    assert printed["measured"] == {"train_seconds": 360.0, "watch_seconds": 40.0}
    assert printed["report"] == str(tmp_path / "new" / "a.html")
    assert (tmp_path / "new" / "a.html").is_file()
    assert not (tmp_path / "run" / "report.html").exists()


def test_several_runs_are_compared_in_the_current_folder(
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
    printed = json.loads(capsys.readouterr().out)
    assert [entry["run"] for entry in printed["runs"]] == ["long-name", "b"]
    assert (printed["report"], printed["png"]) == ("x.html", None)
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
        (["absent"], "^no folder absent; give a study"),
        (["run", "absent"], "^no folder absent"),
        (["empty"], r"^empty .*no study\.json.*no run\.json"),
        (["run", "empty"], "^empty .*no study"),
        (["run", "study"], "^run .*compare runs or studies"),
        (["study", "./study"], "^a folder is given twice"),
        (["run", "./run"], "^a folder is given twice"),
        ([], "^give a study.*--list"),
        (["run", "--collapse-weight", "1"], "^--collapse-weight does not go with runs.* takes --png, --json, --out$"),
        (["run", "--text"], "^--text does not go with runs"),
        (["run", "--format", "md"], "^--format does not go with runs"),
        (["study", "--study", "base"], "^--study does not go with a study.* takes --png, --json, "),
        (["study", "--text", "--json"], "^--json does not go with a study as text"),
        (["--list", "--png", "x.png"], "^--png does not go with a list of studies.* no other flag$"),
        (["nothing.db", "--json"], "^--json does not go with an Optuna storage.* takes --out, --study$"),
        (["study", "--format", "html,pdf"], "^--format takes html, md, json, png.*found 'pdf'$"),
        (["study", "other", "--json"], "^--json does not go with a page of several studies.* takes --out, "),
        (["nothing.db"], "^no database nothing.db$"),
        (["sqlite:///nothing.db"], "^no database nothing.db$"),
        (["study", "nothing.db"], "Optuna storage is reported alone$"),
        (["run", "--png", "no/x.png"], "^--png no/x.png: there is no folder no$"),
    ],
)
def test_folders_and_flags_that_do_not_go_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    write_run(Path("run"), four())
    write_study(Path("study"), study(), five())
    write_study(Path("other"), study(), five())
    before = {path for path in tmp_path.rglob("*")}
    with pytest.raises(UsageError, match=message):
        run(monkeypatch, *arguments)
    assert {path for path in tmp_path.rglob("*")} == before


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, nas.report; print([m for m in ('plotly', 'optuna', 'pydantic', 'torch') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
