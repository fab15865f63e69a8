from __future__ import annotations

import math

import pytest
import torch

from nas.model.feed_forward import ACTIVATIONS, FeedForward
from tests.helpers.architectures import tiny


def layer(activation: str, expand: list[list[float]], down: list[list[float]]) -> FeedForward:
    built = FeedForward(tiny(hidden_dim=2, num_heads=1, ffn_multiplier=1, activation=activation))
    built.load_state_dict({"expand.weight": torch.tensor(expand), "down.weight": torch.tensor(down)})
    return built


def test_swiglu_by_hand() -> None:
    # Gate rows give x0 and x1; up rows give x0 + x1 and 2 x1.
    built = layer("swiglu", [[1, 0], [0, 1], [1, 1], [0, 2]], [[1, 0], [1, 1]])
    silu = [1 / (1 + math.exp(-1)), 3 / (1 + math.exp(-3))]
    inner = [silu[0] * 4, silu[1] * 6]
    assert built(torch.tensor([[[1.0, 3.0]]])).flatten().tolist() == pytest.approx([inner[0], inner[0] + inner[1]])


def test_squared_relu_by_hand() -> None:
    built = layer("relu2", [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    assert built(torch.tensor([[[-2.0, 3.0]]])).flatten().tolist() == [0.0, 9.0]


@pytest.mark.parametrize("name", ["gelu", "geglu"])
def test_gelu_is_the_exact_one(name: str) -> None:
    expected = 1.5 * 0.5 * (1 + math.erf(1.5 / math.sqrt(2)))
    assert ACTIVATIONS[name](torch.tensor(1.5)).item() == pytest.approx(expected, abs=1e-6)
