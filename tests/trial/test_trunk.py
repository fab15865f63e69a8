from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nas.model import Decoder
from nas.training.trainer import Trainer
from nas.trial.trunk import restore_trunk, save_trunk
from tests.helpers.tiny_models import NUMERICS, random_tokens, recipe, same_weights, tiny

TOKENS = random_tokens(4000)


def training(num_steps: int = 20, **changes: object) -> Trainer:
    made = recipe(num_steps=num_steps, warmup_steps=2, **changes)
    return Trainer(Decoder(tiny(), seed=made.seed), TOKENS, made, NUMERICS)


def test_a_longer_training_continues_from_the_trunk_of_a_shorter_one_with_equal_bits(tmp_path: Path) -> None:
    short, whole = training(20), training(60)
    assert short.recipe.trunk_steps == 16
    short.advance(16)
    save_trunk(short, tmp_path / "trunk")
    short.advance(4)  # its own decay, which is not part of the trunk
    whole.advance(60)
    forked = training(60)
    assert restore_trunk(forked, tmp_path / "trunk")
    assert forked.step == 16
    forked.advance(44)
    assert same_weights(forked.model, whole.model)
    assert not same_weights(forked.model, short.model)


@pytest.mark.parametrize(
    "other",
    [
        training(60, seed=6),
        training(60, learning_rate=0.02),
        training(18),  # whose decay has begun by then
    ],
    ids=["another seed", "another rate", "a decay before"],
)
def test_the_trunk_of_another_training_is_not_used(tmp_path: Path, other: Trainer) -> None:
    started = training(20)
    started.advance(16)
    save_trunk(started, tmp_path / "trunk")
    before = {name: value.clone() for name, value in other.model.state_dict().items()}
    assert not restore_trunk(other, tmp_path / "trunk")
    assert other.step == 0
    assert all(torch.equal(before[name], value) for name, value in other.model.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"no tensors", None], ids=["empty", "damaged", "missing"])
def test_an_unreadable_trunk_is_not_used(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "trunk").write_bytes(content)
    started = training()
    assert not restore_trunk(started, tmp_path / "trunk")
    assert started.step == 0


def test_a_training_in_its_decay_cannot_be_saved_as_a_trunk(tmp_path: Path) -> None:
    started = training(20)
    started.advance(17)
    with pytest.raises(AssertionError):
        save_trunk(started, tmp_path / "trunk")
