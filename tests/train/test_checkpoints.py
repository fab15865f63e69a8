from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nas.errors import CheckpointError
from nas.model import Decoder
from nas.train.checkpoints import RunState, Seconds, restore_checkpoint, save_checkpoint
from nas.train.progress import Progress, RollBack
from nas.training.trainer import Trainer
from nas.training.weights import load_weights, read_tensors, save_weights, write_tensors
from tests.helpers.tiny_models import NUMERICS, random_tokens, recipe, same_weights, tiny

CONFIG = tiny(attention_dropout=0.2, residual_dropout=0.2)


def trainer(steps: int, **changes: object) -> Trainer:
    made = Trainer(Decoder(CONFIG, seed=1), random_tokens(600), recipe(**changes), NUMERICS)
    if steps:
        made.advance(steps)
    return made


SECONDS = Seconds(training=1 / 3, evaluating=0.1)
PROGRESS = Progress(
    step=5,
    best_step=4,
    best_val_bpb=1 / 3,
    best_val_novel_bpb=2 / 3,
    loss_sum=0.1 + 0.2,
    running_loss=1e-9,
    lowest_loss=1e-10,
    rollbacks=(RollBack(to_step=2, reason="the loss rose"),),
)


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.9}, {"accumulate": 2, "label_smoothing": 0.1}])
@pytest.mark.parametrize("progress", [PROGRESS, Progress(step=5)])
def test_a_training_resumes_from_its_checkpoint_with_the_same_bits(
    tmp_path: Path, progress: Progress, changes: dict[str, Any]
) -> None:
    path = tmp_path / "last.safetensors"
    best = {"some.weight": torch.ones(3)}
    save_checkpoint(trainer(5, **changes), RunState(progress, SECONDS, best), path)
    resumed = trainer(0, **changes)
    restored = restore_checkpoint(resumed, path)
    assert (restored.progress, restored.seconds) == (progress, SECONDS)
    assert restored.best.keys() == best.keys()
    assert torch.equal(restored.best["some.weight"], best["some.weight"])
    assert resumed.step == 5
    resumed.advance(7)
    whole = trainer(12, **changes)
    assert same_weights(resumed.model, whole.model)
    with resumed.evaluation_weights(), whole.evaluation_weights():
        assert same_weights(resumed.model, whole.model)
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_checkpoint_of_another_architecture_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(trainer(1), RunState(Progress(step=1), SECONDS, {}), path)
    other = Trainer(Decoder(tiny(hidden_dim=16), seed=0), random_tokens(600), recipe(), NUMERICS)
    with pytest.raises(CheckpointError, match=r"does not fit this run \(.*\)$") as caught:
        restore_checkpoint(other, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["progress", "seconds"])
def test_a_checkpoint_without_its_progress_does_not_fit(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(trainer(1), RunState(Progress(step=1), SECONDS, {}), path)
    tensors, header = read_tensors(path)
    header.pop(missing)
    write_tensors(tensors, header, path)
    with pytest.raises(CheckpointError, match=f"does not fit this run .*{missing}"):
        restore_checkpoint(trainer(0), path)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi"])
def test_weights_load_back_to_the_same_logits(tmp_path: Path, tied: bool, position: str) -> None:
    model = Decoder(tiny(tie_embeddings=tied, position_encoding=position), seed=3).eval()
    save_weights(model, tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors").eval()
    ids = torch.from_numpy(random_tokens(40).astype("int64"))[None]
    assert loaded.config == model.config
    assert torch.equal(loaded(ids), model(ids))


def test_a_file_of_weights_describes_itself(tmp_path: Path) -> None:
    save_weights(Decoder(CONFIG, seed=3), tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", framework="pt") as stored:
        header = stored.metadata()
    assert len(header.pop("sha256")) == 64
    assert header == {"format": "pt", "architecture": CONFIG.model_dump_json()}


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(Decoder(CONFIG, seed=3), path)
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"hash .*[0-9a-f]{12}.*; use another one$"):
        load_weights(path)


@pytest.mark.parametrize("size", [0, 4, 100, 0.5, 0.999])
def test_a_torn_file_is_one_line(tmp_path: Path, size: float) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(Decoder(CONFIG, seed=3), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(size * len(content)) if isinstance(size, float) else size])
    with pytest.raises(CheckpointError, match=r"^cannot read checkpoint .*; use another one$") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.safetensors", "", "no/such/folder.safetensors"])
def test_a_path_that_is_not_a_file_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"^cannot read checkpoint ") as caught:
        load_weights(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"architecture": "no JSON"},
        {"architecture": "3"},
        {"architecture": "{}"},
        {"architecture": tiny(hidden_dim=16).model_dump_json()},
    ],
)
def test_a_file_of_another_program_is_refused(tmp_path: Path, header: dict[str, str]) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "w.safetensors", metadata=header)
    with pytest.raises(CheckpointError, match=r"w\.safetensors is no checkpoint .*\(.*\); use another") as caught:
        load_weights(tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


def test_a_failed_write_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(Decoder(CONFIG, seed=3), path)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # as a disk with that much room
    try:
        with pytest.raises(CheckpointError, match=r"^cannot write checkpoint .*free some space"):
            save_weights(Decoder(CONFIG, seed=4), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert path.read_bytes() == before
