from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
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
    assert ran.stderr.startswith("nas.report: error: no study folder at ")
    assert ran.stderr.count("\n") == 1


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, nas.report; print([m for m in ('plotly', 'optuna', 'pydantic', 'torch') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
