from __future__ import annotations

import json
import math
import re
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.data.prepared import PreparedData
from nas.errors import CheckpointError, Diverged, UsageError
from nas.evaluate.metrics import SAMPLED, complete
from nas.inference.bits_per_byte import measure_likelihood, measure_with_novel
from nas.model import Decoder
from nas.system.lock import locked
from nas.train.plan import TrainingPlan
from nas.train.progress import Progress
from nas.train.run import MAX_ROLLBACKS, FullTraining
from nas.training.trainer import Trainer
from nas.training.weights import load_weights, read_tensors
from tests.helpers.tiny_models import NUMERICS, recipe, tiny, write_novel

ARCHITECTURE = tiny(attention_dropout=0.1, residual_dropout=0.1)
RECIPE = recipe(num_steps=35, batch_size=4, seq_length=32, warmup_steps=3)


class Killed(Exception):
    pass


def plan(data: PreparedData, **changes: Any) -> TrainingPlan:
    settings: dict[str, Any] = {
        "architecture": ARCHITECTURE,
        "recipe": RECIPE,
        "numerics": NUMERICS,
        "corpus_hash": data.corpus_hash,
        "evaluate_every": 8,
        "validation_bytes": 2048,
    }
    return TrainingPlan(**settings | changes)


def begin(folder: Path, data: PreparedData, **changes: Any) -> FullTraining:
    return FullTraining(folder, plan(data, **changes), data.vocabulary("bytes"), data.tokens("bytes", "train"), data)


def run(folder: Path, data: PreparedData, die_at: float = math.inf, **changes: Any) -> list[dict[str, Any]]:
    """Train to the end, or until `on_steps` is called with step `die_at`; return the log lines that were yielded."""

    def on_steps(step: int, loss: float) -> None:
        if step >= die_at:
            raise Killed

    lines = []
    try:
        for line in begin(folder, data, **changes).run(on_steps):
            lines.append(line.model_dump(mode="json"))
    except Killed:
        assert die_at < math.inf
    return lines


def log(folder: Path) -> list[dict[str, Any]]:
    """Return the log without times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "measured"} for line in lines]


@pytest.fixture(scope="module")
def whole(data: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(folder, data)
    return folder


def weights(folder: Path) -> dict[str, bytes]:
    """Return the weights and everything else of a run except times, by file."""
    contents = {}
    for path in [folder / "best.safetensors", *sorted((folder / "checkpoints").iterdir())]:
        tensors, header = read_tensors(path)
        header.pop("seconds", None)
        contents[path.name] = repr(
            (sorted(header.items()), {key: tensors[key].numpy().tobytes() for key in sorted(tensors)})
        ).encode()
    return contents


def assert_same_run(folder: Path, whole: Path) -> None:
    assert log(folder) == log(whole)
    assert weights(folder) == weights(whole)
    assert (folder / "run.json").read_bytes() == (whole / "run.json").read_bytes()


def copied(whole: Path, folder: Path) -> Path:
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    return folder


def test_a_run_writes_the_files_that_its_docstring_lists(whole: Path) -> None:
    names = {"run.json", "log.jsonl", "checkpoints", "best.safetensors", "tokenizer.json", "arch.json"}
    assert {path.name for path in whole.iterdir()} == names
    assert json.loads((whole / "arch.json").read_text()) == {"architecture": ARCHITECTURE.model_dump(mode="json")}
    assert sorted(path.name for path in (whole / "checkpoints").iterdir()) == [
        "step-00000032.safetensors",
        "step-00000035.safetensors",
    ]


def test_a_line_has_samples_and_times(whole: Path) -> None:
    last = json.loads((whole / "log.jsonl").read_text().splitlines()[-1])
    assert last["train_flops"] == ARCHITECTURE.train_flops_per_token(32) * 4 * 32 * 35
    assert [sample["prompt"] for sample in last["samples"]] == ["def add(a, b):", "class Stack:"]
    assert all(0 < len(sample["completion"].encode()) <= 3 * 32 for sample in last["samples"])
    assert last["measured"].keys() == {"train_seconds", "watch_seconds", "tokens_per_second"}
    model = nas.load(whole)
    best = min(log(whole), key=lambda line: line["val_bpb"])
    texts, _ = complete(model.model, model.vocabulary, ["def add(a, b):", "class Stack:"], SAMPLED, 32)
    assert [sample["completion"] for sample in best["samples"]] == texts


def test_the_loss_of_a_line_is_the_mean_since_the_line_before(data: PreparedData, whole: Path) -> None:
    made = plan(data)
    training = Trainer(Decoder(ARCHITECTURE, seed=5), data.tokens("bytes", "train"), made.recipe, NUMERICS)
    for line, steps in zip(log(whole), (8, 8, 8, 8, 3), strict=True):
        assert line["train_loss"] == pytest.approx(training.advance(steps), rel=1e-12)


def test_it_evaluates_as_often_as_requested_and_at_the_end(whole: Path) -> None:
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
    likelihood = measure_likelihood(model, tokens, 0, num_bytes, 64)
    assert best["val_novel_bpb"] == measure_with_novel(model, data.vocabulary("bytes"), tokens, novel).novel_bpb
    assert best["val_novel_bpb"] not in (None, best["val_bpb"])
    assert likelihood.bpb == best["val_bpb"]
    assert likelihood.perplexity == best["val_perplexity"]
    header = read_tensors(whole / "checkpoints" / "step-00000035.safetensors")[1]
    progress = Progress.model_validate_json(header["progress"])
    assert (progress.step, progress.best_step, progress.best_val_bpb, progress.best_val_novel_bpb) == (
        35,
        best["step"],
        best["val_bpb"],
        best["val_novel_bpb"],
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
    likelihood = measure_likelihood(load_weights(tmp_path / "run" / "best.safetensors"), tokens, 0, num_bytes, 64)
    assert line.val_bpb == likelihood.bpb
    assert line.val_novel_bpb is None


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
    # Killed between the log and the checkpoint.
    run(tmp_path, data, die_at=10)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(tail)
    (tmp_path / "best.safetensors").write_bytes((whole / "best.safetensors").read_bytes())
    run(tmp_path, data)
    assert_same_run(tmp_path, whole)


def test_a_run_that_has_ended_does_nothing_more(data: PreparedData, whole: Path) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert run(whole, data) == []
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"architecture": ARCHITECTURE.model_copy(update={"num_layers": 2})},
            "architecture.num_layers: stored 1, requested 2",
        ),
        ({"recipe": RECIPE.model_copy(update={"num_steps": 36})}, "recipe.num_steps: stored 35, requested 36"),
        ({"numerics": NUMERICS.model_copy(update={"threads": 2})}, "numerics.threads: stored 1, requested 2"),
        ({"corpus_hash": "other"}, "corpus_hash: stored {corpus_hash}, requested other"),
        ({"evaluate_every": 9}, "evaluate_every: stored 8, requested 9"),
        (
            {"evaluate_every": 9, "validation_bytes": 4096},
            "evaluate_every: stored 8, requested 9; validation_bytes: stored 2048, requested 4096",
        ),
    ],
)
def test_another_setting_in_the_same_folder_is_refused(
    data: PreparedData, whole: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError) as caught:
        begin(whole, data, **changes)
    message = str(caught.value)
    assert message.startswith(str(whole))
    assert f"({named.format(corpus_hash=data.corpus_hash)})" in message
    assert "--out" in message


@pytest.mark.parametrize("stop_at", [3, 8, 13, 30])
def test_a_run_that_was_stopped_saves_at_once_and_ends_as_if_it_had_not_been(
    data: PreparedData, tmp_path: Path, whole: Path, stop_at: int
) -> None:
    training = begin(tmp_path, data)
    assert len(list(training.run(lambda step, loss: None, lambda: training.step >= stop_at))) == stop_at // 8
    stopped_at = training.step
    assert stop_at <= stopped_at < 35
    assert not training.is_finished
    assert (tmp_path / "checkpoints" / "between.safetensors").exists()
    again = begin(tmp_path, data)
    assert again.step == stopped_at
    assert list(again.run(lambda step, loss: None))[-1].step == 35
    assert_same_run(tmp_path, whole)


def test_a_clock_saves_between_evaluations_and_changes_nothing(data: PreparedData, tmp_path: Path, whole: Path) -> None:
    training = FullTraining(
        tmp_path, plan(data), data.vocabulary("bytes"), data.tokens("bytes", "train"), data, save_seconds=0.0
    )
    seen = []

    def on_steps(step: int, loss: float) -> None:
        seen.append((tmp_path / "checkpoints" / "between.safetensors").exists())
        if step > 20:
            raise Killed

    with pytest.raises(Killed):
        list(training.run(on_steps))
    assert any(seen)
    resumed = begin(tmp_path, data)
    assert resumed.step % 8 != 0
    list(resumed.run(lambda step, loss: None))
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("damage", [b"", b"garbage", -100, 1000])
def test_a_damaged_checkpoint_gives_a_warning_and_the_one_before_it_is_used(
    data: PreparedData, tmp_path: Path, whole: Path, damage: bytes | int
) -> None:
    copied(whole, tmp_path)
    last = tmp_path / "checkpoints" / "step-00000035.safetensors"
    content = last.read_bytes()
    if isinstance(damage, bytes):
        last.write_bytes(damage)
    elif damage < 0:
        last.write_bytes(content[:damage])
    else:
        last.write_bytes(content[:-damage] + bytes([content[-damage] ^ 1]) + content[-damage + 1 :])
    with pytest.warns(UserWarning, match=r"35\.safetensors .*before it, step-00000032"):
        training = begin(tmp_path, data)
    assert training.step == 32
    assert [line.step for line in training.run(lambda step, loss: None)] == [35]
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("die_at", [8, 16, 32, 35])
def test_a_timed_checkpoint_does_not_replace_that_of_an_evaluation(
    data: PreparedData, tmp_path: Path, whole: Path, die_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Killed after the last step before an evaluation, where the clock could save.
    measure = FullTraining._measure

    def die(self: FullTraining) -> Any:
        if self.step == die_at:
            raise Killed
        return measure(self)

    monkeypatch.setattr(FullTraining, "_measure", die)
    stream = data.tokens("bytes", "train")
    training = FullTraining(tmp_path, plan(data), data.vocabulary("bytes"), stream, data, save_seconds=0.0)
    with pytest.raises(Killed):
        list(training.run(lambda step, loss: None))
    monkeypatch.undo()
    assert begin(tmp_path, data).step < die_at
    run(tmp_path, data)
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("damage", [None, b"", b"garbage"])
def test_the_best_weights_come_back_from_a_checkpoint(
    data: PreparedData, tmp_path: Path, whole: Path, damage: bytes | None
) -> None:
    best = copied(whole, tmp_path) / "best.safetensors"
    best.unlink() if damage is None else best.write_bytes(damage)
    assert begin(tmp_path, data).step == 35
    assert_same_run(tmp_path, whole)


@pytest.mark.filterwarnings("ignore:.*; rolling back to step")
def test_the_best_weights_are_those_of_the_branch_that_continues(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Step 16 is better than 8, and abandoned: the run diverges after it, twice.
    after, failures = Progress.after, iter([20, 20])
    failure = next(failures)

    def diverge(self: Progress, losses: Any) -> Progress:
        nonlocal failure
        if self.step + len(losses) >= failure:
            failure = next(failures, 10**6)
            raise Diverged("for the test")
        return after(self, losses)

    monkeypatch.setattr(Progress, "after", diverge)
    training = begin(tmp_path, data)
    lines = training.run(lambda step, loss: None)
    assert [next(lines).step, next(lines).step] == [8, 16]
    abandoned = read_tensors(tmp_path / "best.safetensors")[0]
    assert next(lines).step == 16
    assert [rollback.to_step for rollback in training.progress.rollbacks] == [16, 8]
    documents = data.evaluation_documents("validation", 2048)
    tokens = data.vocabulary("bytes").encode_documents(documents)
    num_bytes = len(data.evaluation_bytes("validation", 2048))
    likelihood = measure_likelihood(load_weights(tmp_path / "best.safetensors"), tokens, 0, num_bytes, 64)
    assert likelihood.bpb == training.progress.best_val_bpb
    stored = read_tensors(tmp_path / "best.safetensors")[0]
    assert any((stored[name] != abandoned[name]).any() for name in abandoned)


def test_files_of_a_killed_writer_are_removed_and_all_users_may_read_files(
    data: PreparedData, tmp_path: Path, whole: Path
) -> None:
    left = copied(whole, tmp_path) / "checkpoints" / ".step-00000040.safetensors.1.tmp" / ".tmpXeNqP5"
    left.parent.mkdir()
    left.write_bytes(b"half")
    with locked(tmp_path, "the run", "wait"):
        run(tmp_path, data)
    assert not left.parent.exists()
    modes = {path.stat().st_mode & 0o777 for path in whole.rglob("*") if path.is_file()}
    assert len(modes) == 1


@pytest.mark.parametrize("name", ["arch.json", "study.json"])
def test_a_run_does_not_overwrite_the_files_of_a_search(data: PreparedData, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"architecture": {}, "recipe": {}}')
    with pytest.raises(UsageError, match=r"arch\.json or a study .*; use another --out"):
        begin(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    (tmp_path / name).unlink()
    begin(tmp_path, data)
    (tmp_path / "run.json").unlink()  # killed before it was there
    run(tmp_path, data)


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_again(
    data: PreparedData, tmp_path: Path, whole: Path
) -> None:
    copied(whole, tmp_path)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with (
        pytest.warns(UserWarning, match="before it, step-"),
        pytest.raises(CheckpointError, match=r"step-00000032.*no other .*; use another --out") as caught,
    ):
        begin(tmp_path, data)
    assert "\n" not in str(caught.value)
    assert len(log(tmp_path)) == 5


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_checkpoints_stay_as_requested(data: PreparedData, tmp_path: Path, keep: int) -> None:
    stream = data.tokens("bytes", "train")
    training = FullTraining(tmp_path, plan(data), data.vocabulary("bytes"), stream, data, keep=keep)
    list(training.run(lambda step, loss: None))
    steps = [8, 16, 24, 32, 35][-keep:]
    assert sorted(path.name for path in training.checkpoints.folder.iterdir()) == [
        f"step-{step:08}.safetensors" for step in steps
    ]


def test_a_full_disk_leaves_the_checkpoint_before_it(data: PreparedData, tmp_path: Path, whole: Path) -> None:
    training = begin(tmp_path, data)
    lines = training.run(lambda step, loss: None)
    next(lines)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))  # as a disk with that much room
    try:
        with pytest.raises(CheckpointError, match=r"^cannot write checkpoint .*free some space and run the same"):
            next(lines)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert begin(tmp_path, data).step == 8
    run(tmp_path, data)
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("damage", ["", "{", "[]", "3", "null"])
def test_a_damaged_run_file_is_one_line(data: PreparedData, tmp_path: Path, damage: str) -> None:
    (tmp_path / "run.json").write_text(damage)
    with pytest.raises(CheckpointError, match=r"run\.json is damaged \(.*\); use another --out") as caught:
        begin(tmp_path, data)
    assert "\n" not in str(caught.value)


STEEP = recipe(learning_rate=8.0, num_steps=35, seq_length=32, warmup_steps=20)
"""A recipe whose peak rate is too high, and half of it too; an eighth of it trains."""


@pytest.mark.filterwarnings("ignore:.*; rolling back to step")
@pytest.mark.parametrize("die_at", [math.inf, 12])
def test_a_training_that_diverges_is_rolled_back_with_half_the_rate_and_logs_it(
    data: PreparedData, tmp_path: Path, die_at: float
) -> None:
    run(tmp_path, data, die_at=die_at, recipe=STEEP, evaluate_every=4)
    lines = run(tmp_path, data, recipe=STEEP, evaluate_every=4) or log(tmp_path)
    (first, *_) = lines[-1]["rollbacks"]
    assert re.fullmatch(r"the training loss (is nan|rose from [\d.]+ to [\d.]+) at step \d+", first["reason"])
    assert first["to_step"] % 4 == 0
    count = len(lines[-1]["rollbacks"])
    assert 1 <= count <= MAX_ROLLBACKS
    assert lines[-1]["learning_rate"] == STEEP.learning_rate_at(34) / 2**count
    assert [line["step"] for line in log(tmp_path)] == [4, 8, 12, 16, 20, 24, 28, 32, 35]
    if die_at == math.inf:
        return
    other = tmp_path / "other"
    run(other, data, recipe=STEEP, evaluate_every=4)
    assert_same_run(tmp_path, other)


def test_a_training_that_always_diverges_ends_after_a_few_rollbacks(data: PreparedData, tmp_path: Path) -> None:
    steep = recipe(learning_rate=1e42, num_steps=35, seq_length=32)
    with (
        pytest.warns(UserWarning, match=r"at step \d+; .*step 0 .*half the learning rate \(\d of 3\)$"),
        pytest.raises(Diverged, match=r"after 3 rollbacks .*; give a lower --learning-rate"),
    ):
        run(tmp_path, data, recipe=steep)
    assert not (tmp_path / "log.jsonl").exists()
