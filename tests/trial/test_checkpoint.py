from __future__ import annotations

import math
import resource
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nas.errors import CheckpointError
from nas.model import Decoder
from nas.trial.checkpoint import Progress, restore_checkpoint, save_checkpoint
from nas.trial.training import Training
from nas.trial.weights import load_weights, read_tensors, save_weights, write_tensors

from .tiny import NUMERICS, random_tokens, recipe, same_weights, tiny

CONFIG = tiny(attention_dropout=0.2, residual_dropout=0.2)


def training(steps: int, **changes: object) -> Training:
    made = Training(Decoder(CONFIG, seed=1), random_tokens(600), recipe(**changes), NUMERICS)
    if steps:
        made.advance(steps)
    return made


@pytest.mark.parametrize("progress", [Progress(5, 4, 1 / 3, 2 / 3), Progress(5, 0, math.inf)])
def test_a_training_goes_on_from_its_checkpoint_with_the_same_bits(tmp_path: Path, progress: Progress) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(training(5), progress, path)
    resumed = training(0)
    assert restore_checkpoint(resumed, path) == progress
    assert resumed.step == 5
    resumed.advance(7)
    assert same_weights(resumed.model, training(12).model)
    assert [one.name for one in tmp_path.iterdir()] == ["last.safetensors"]


def test_a_checkpoint_of_another_architecture_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(training(1), Progress(1, 0, 2.0), path)
    other = Training(Decoder(tiny(hidden_dim=16), seed=0), random_tokens(600), recipe(), NUMERICS)
    with pytest.raises(CheckpointError, match=r"does not fit this run \(.*\); use another --out") as caught:
        restore_checkpoint(other, path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["step", "best_step", "best_val_bpb"])
def test_a_checkpoint_without_its_progress_does_not_fit(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(training(1), Progress(1, 0, 2.0), path)
    tensors, header = read_tensors(path)
    header.pop(missing)
    write_tensors(tensors, header, path)
    with pytest.raises(CheckpointError, match=f"does not fit this run .*{missing}"):
        restore_checkpoint(training(0), path)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi"])
def test_weights_load_back_to_the_same_logits(tmp_path: Path, tied: bool, position: str) -> None:
    model = Decoder(tiny(tie_embeddings=tied, position_encoding=position), seed=3).eval()
    save_weights(model, tmp_path / "w.safetensors")
    loaded = load_weights(tmp_path / "w.safetensors").eval()
    ids = torch.from_numpy(random_tokens(40).astype("int64"))[None]
    assert loaded.config == model.config
    assert torch.equal(loaded(ids), model(ids))


def test_a_file_of_weights_says_what_it_is(tmp_path: Path) -> None:
    save_weights(Decoder(CONFIG, seed=3), tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", framework="pt") as stored:
        assert stored.metadata() == {"format": "pt", "architecture": CONFIG.model_dump_json()}


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_a_torn_file_is_one_line(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(Decoder(CONFIG, seed=3), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"^cannot read checkpoint .*; use another one$") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.safetensors", "", "no/such/folder.safetensors"])
def test_a_path_that_is_no_file_is_one_line(tmp_path: Path, name: str) -> None:
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
def test_a_file_of_another_program_holds_no_model_of_ours(tmp_path: Path, header: dict[str, str]) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "w.safetensors", metadata=header)
    with pytest.raises(CheckpointError, match=r"holds no model of ours \(.*\); use another checkpoint$") as caught:
        load_weights(tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_written_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
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
