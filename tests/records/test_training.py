from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.errors import CheckpointError
from nas.records.training import is_training_run, read_training_run
from tests.helpers.report_runs import BATCH_TOKENS, COMMAND, four, made_run, run_record, write_run


def test_a_run_is_read_from_its_folder(tmp_path: Path) -> None:
    run = made_run(tmp_path / "mine", four(), finished=True)
    assert (run.name, run.step, run.num_steps) == ("mine", 400, 400)
    assert run.best is not None and run.best.step == 300
    assert run.tokens_at(run.lines[1]) == 200 * BATCH_TOKENS
    assert run.summary is not None and run.summary.holdout.collapse_rate == 0.5
    assert run.spent is not None and (run.spent.total_seconds, run.spent.watch_share) == (400.0, 0.1)
    assert run.record.recipe.model_dump() == run_record()["recipe"], "keys that no report uses are kept too"


def test_the_first_of_equally_good_evaluations_is_the_best(tmp_path: Path) -> None:
    """Only a better evaluation replaces the stored weights, so those of the first one stay."""
    lines = [line | {"val_bpb": 2.0} for line in four()]
    best = made_run(tmp_path, lines).best
    assert best is not None and best.step == 100


def test_a_run_that_has_just_begun_has_no_lines(tmp_path: Path) -> None:
    for lines in (None, []):
        run = made_run(tmp_path, lines)
        assert (run.lines, run.step, run.best, run.rollbacks, run.spent, run.summary) == ((), 0, None, (), None, None)
        assert run.command == COMMAND


@pytest.mark.parametrize("tail", ['{"step": 500, "train_l', '{"step": 500, "samples": [{"prompt": "é'])
def test_a_truncated_last_line_is_left_out(tmp_path: Path, tail: str) -> None:
    write_run(tmp_path, four())
    with (tmp_path / "log.jsonl").open("ab") as log:
        log.write(tail.encode()[:-1])
    assert [line.step for line in read_training_run(tmp_path).lines] == [100, 200, 300, 400]


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\r"])
def test_a_completion_may_hold_any_separator_of_lines(tmp_path: Path, separator: str) -> None:
    (first, *_) = four()
    first["samples"] = [{"prompt": "p", "completion": f"a{separator}b"}]
    write_run(tmp_path, [])
    (tmp_path / "log.jsonl").write_bytes(json.dumps(first, ensure_ascii=False).encode() + b"\n")
    assert read_training_run(tmp_path).lines[0].samples[0].completion == f"a{separator}b"


def test_a_run_without_a_stored_command_is_read(tmp_path: Path) -> None:
    values = run_record()
    values.pop("command")
    write_run(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps(values))
    assert read_training_run(tmp_path).command is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "", r"run\.json is damaged: run"),
        ("run.json", "[]", r"run\.json is damaged: run"),
        ("run.json", "{}", r"run\.json is damaged: run architecture: field required"),
        ("summary.json", '{"corpus"', r"summary\.json is damaged: summary"),
        ("summary.json", "3", r"summary\.json is damaged: summary"),
        ("log.jsonl", '{"step": 1}\n', r"log\.jsonl, line 1: line train_flops: field required"),
        ("log.jsonl", '{"step\n{}\n', r"log\.jsonl, line 1: line"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    write_run(tmp_path, four(), finished=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_training_run(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_run_is_recognised(tmp_path: Path) -> None:
    assert not is_training_run(tmp_path)
    assert not is_training_run(tmp_path / "absent")
    assert is_training_run(write_run(tmp_path / "run"))
    with pytest.raises(CheckpointError, match=r"cannot read .*run\.json: No such file"):
        read_training_run(tmp_path)
