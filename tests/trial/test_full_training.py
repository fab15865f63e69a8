from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from nas.data import PreparedData
from nas.errors import CheckpointError, Diverged, UsageError
from nas.trial.bits_per_byte import measure_likelihood, measure_with_novel
from nas.trial.full_training import FullTraining, TrainingPlan
from nas.trial.weights import load_weights, read_tensors

from .tiny import NUMERICS, recipe, tiny, write_novel

ARCHITECTURE = tiny(attention_dropout=0.1, residual_dropout=0.1)


class Killed(Exception):
    pass


def plan(data: PreparedData, **changes: Any) -> TrainingPlan:
    settings: dict[str, Any] = {
        "architecture": ARCHITECTURE,
        "recipe": recipe(num_steps=35, batch_size=4, seq_length=32, warmup_steps=3),
        "numerics": NUMERICS,
        "corpus_hash": data.corpus_hash,
        "evaluate_every": 8,
        "validation_bytes": 2048,
    }
    return TrainingPlan(**settings | changes)


def begin(folder: Path, data: PreparedData, **changes: Any) -> FullTraining:
    return FullTraining(folder, plan(data, **changes), data.vocabulary("bytes"), data.tokens("bytes", "train"), data)


def run(folder: Path, data: PreparedData, die_at: float = math.inf, **changes: Any) -> list[dict[str, Any]]:
    """Train to the end, or until `on_steps` hears of step `die_at`; the log lines that were yielded."""

    def on_steps(step: int, loss: float) -> None:
        if step >= die_at:
            raise Killed

    lines = []
    try:
        for line in begin(folder, data, **changes).run(on_steps):
            lines.append(line)
    except Killed:
        assert die_at < math.inf
    return lines


def log(folder: Path) -> list[dict[str, Any]]:
    """The log without what a clock decides."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "measured"} for line in lines]


@pytest.fixture(scope="module")
def whole(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(folder, data)
    return folder


def assert_same_run(folder: Path, whole: Path) -> None:
    assert log(folder) == log(whole)
    for name in ("best.safetensors", "last.safetensors"):
        tensors, header = read_tensors(folder / name)
        expected, expected_header = read_tensors(whole / name)
        assert header == expected_header
        assert tensors.keys() == expected.keys()
        assert all((tensors[key] == expected[key]).all() for key in expected), name
    assert (folder / "run.json").read_bytes() == (whole / "run.json").read_bytes()


def test_a_run_leaves_what_its_docstring_lists(whole: Path) -> None:
    names = {"run.json", "log.jsonl", "last.safetensors", "best.safetensors", "tokenizer.json", "arch.json"}
    assert {path.name for path in whole.iterdir()} == names
    assert json.loads((whole / "arch.json").read_text()) == {"architecture": ARCHITECTURE.model_dump(mode="json")}


def test_it_evaluates_as_often_as_asked_and_at_the_end(whole: Path) -> None:
    lines = log(whole)
    assert [line["step"] for line in lines] == [8, 16, 24, 32, 35]
    schedule = recipe(num_steps=35, batch_size=4, seq_length=32, warmup_steps=3)
    assert [line["learning_rate"] for line in lines] == [
        schedule.learning_rate_at(step - 1) for step in (8, 16, 24, 32, 35)
    ]
    assert lines[-1]["val_bpb"] < lines[0]["val_bpb"] < 8


def test_the_best_weights_are_those_of_the_best_line(whole: Path, data: PreparedData) -> None:
    best = min(log(whole), key=lambda line: line["val_bpb"])
    documents = data.evaluation_documents("validation", 2048)
    tokens = data.vocabulary("bytes").encode_documents(documents)
    num_bytes = len(data.evaluation_bytes("validation", 2048))
    model, novel = load_weights(whole / "best.safetensors"), data.novel_bytes("validation", 2048)
    found = measure_likelihood(model, tokens, 0, num_bytes, 64)
    assert best["val_novel_bpb"] == measure_with_novel(model, data.vocabulary("bytes"), tokens, novel).novel_bpb
    assert best["val_novel_bpb"] not in (None, best["val_bpb"])
    assert found.bpb == best["val_bpb"]
    assert found.perplexity == best["val_perplexity"]
    header = read_tensors(whole / "last.safetensors")[1]
    assert float(header["best_val_novel_bpb"]) == best["val_novel_bpb"]
    assert (int(header["step"]), int(header["best_step"]), float(header["best_val_bpb"])) == (
        35,
        best["step"],
        best["val_bpb"],
    )


def test_bits_are_shared_among_bytes_where_a_character_has_several(data: PreparedData, tmp_path: Path) -> None:
    text = "# é ü 語 ♥\n" * 40
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "validation.bin").write_text(f"{text}\0", encoding="utf-8")
    write_novel(tmp_path, [False] * (16 * 40 + 1))
    bytes_only, train = data.vocabulary("bytes"), data.tokens("bytes", "train")
    other = PreparedData(tmp_path, ())
    made = FullTraining(tmp_path / "run", plan(data, recipe=recipe(num_steps=1)), bytes_only, train, other)
    (line,) = made.run(lambda step, loss: None)
    tokens = bytes_only.encode_documents([text])
    num_bytes = 16 * 40 + 1  # four spaces, two ASCII characters, 2 + 2 + 3 + 3 bytes of the others; a NUL
    found = measure_likelihood(load_weights(tmp_path / "run" / "best.safetensors"), tokens, 0, num_bytes, 64)
    assert line["val_bpb"] == found.bpb
    assert line["val_novel_bpb"] is None


@pytest.mark.parametrize("die_at", [1, 8, 10, 20, 32, 35])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    data: PreparedData, tmp_path: Path, whole: Path, die_at: int
) -> None:
    run(tmp_path, data, die_at=die_at)
    assert len(log(tmp_path)) < 5 if (tmp_path / "log.jsonl").exists() else die_at <= 8
    run(tmp_path, data)
    assert_same_run(tmp_path, whole)


def test_a_run_may_be_killed_many_times(data: PreparedData, tmp_path: Path, whole: Path) -> None:
    for die_at in (10, 20, 30):
        run(tmp_path, data, die_at=die_at)
    run(tmp_path, data)
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("tail", ["", '{"step": 16, "train_l', '{"step": 16, "val_bpb": 1.0}\n', "null\n"])
def test_lines_logged_after_the_last_checkpoint_are_done_again(
    data: PreparedData, tmp_path: Path, whole: Path, tail: str
) -> None:
    """Killed between the log and the checkpoint."""
    run(tmp_path, data, die_at=10)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(tail)
    (tmp_path / "best.safetensors").write_bytes((whole / "best.safetensors").read_bytes())
    run(tmp_path, data)
    assert_same_run(tmp_path, whole)


def test_a_run_that_has_ended_does_nothing_more(data: PreparedData, whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    assert run(whole, data) == []
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"architecture": tiny(num_layers=2)}, "architecture"),
        ({"recipe": recipe(num_steps=36)}, "recipe"),
        ({"numerics": NUMERICS.model_copy(update={"threads": 2})}, "numerics"),
        ({"corpus_hash": "other"}, "corpus_hash"),
        ({"evaluate_every": 9}, "evaluate_every"),
        ({"evaluate_every": 9, "validation_bytes": 4096}, "evaluate_every, validation_bytes"),
    ],
)
def test_another_setting_in_the_same_folder_is_refused(
    data: PreparedData, whole: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError) as caught:
        begin(whole, data, **changes)
    assert str(caught.value) == (
        f"{whole} holds a run with another {named}; repeat its settings to go on, or use another --out"
    )


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_checkpoint_is_one_line(
    data: PreparedData, tmp_path: Path, whole: Path, damage: bytes | None
) -> None:
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    last = tmp_path / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"^cannot read checkpoint .*last.safetensors") as caught:
        begin(tmp_path, data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["", "{", "[]", "3", "null"])
def test_a_damaged_run_file_is_one_line(data: PreparedData, tmp_path: Path, damage: str) -> None:
    (tmp_path / "run.json").write_text(damage)
    with pytest.raises((CheckpointError, UsageError), match=r"run.json is damaged|holds a run with another") as caught:
        begin(tmp_path, data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("evaluate_every", [1, 35])
def test_a_run_that_diverges_says_so_and_logs_no_number_that_json_does_not_have(
    data: PreparedData, tmp_path: Path, evaluate_every: int
) -> None:
    steep = recipe(learning_rate=1e42, num_steps=35, seq_length=32)
    message = "not finite" if evaluate_every == 1 else "the training loss is nan by step 10"
    with pytest.raises(Diverged, match=message):
        run(tmp_path, data, recipe=steep, evaluate_every=evaluate_every)
    assert not (tmp_path / "log.jsonl").exists()
