from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nas.model import Decoder, blocked_attention
from nas.model.blocked_attention import QUERIES
from nas.model.positions import AlibiPositions
from tests.helpers.architectures import tiny


def heads(length: int, batch: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(length)
    return [
        torch.randn((batch, length, 2, 4), generator=generator, dtype=torch.float64).transpose(1, 2).requires_grad_()
        for _ in range(4)
    ]


def assert_equal_to_pytorch(length: int, batch: int, bias: Tensor | None) -> None:
    query, key, value, grad = heads(length, batch)
    ours = blocked_attention.blocked_attention(query, key, value, bias)
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, is_causal=bias is None)
    torch.testing.assert_close(ours, expected)
    inputs = (query, key, value)
    torch.testing.assert_close(torch.autograd.grad(ours, inputs, grad), torch.autograd.grad(expected, inputs, grad))


@pytest.mark.parametrize("length", [1, 2, QUERIES - 1, QUERIES, QUERIES + 1, 2 * QUERIES + 5])
def test_it_equals_pytorchs_attention(length: int) -> None:
    assert_equal_to_pytorch(length, 3, None)


def test_it_equals_pytorchs_attention_with_a_bias() -> None:
    length = QUERIES + 7
    bias = AlibiPositions(2)(0, length).double()
    assert bias[0, 0, 0, 1] == -math.inf
    assert_equal_to_pytorch(length, 3, bias)


def test_parts_of_a_batch_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocked_attention, "_SCORES_AT_ONCE", 2 * 2 * 20 * 20)
    assert_equal_to_pytorch(20, 5, None)


@pytest.mark.parametrize("position", ["rope", "alibi", "none"])
@pytest.mark.parametrize("num_kv_heads", [1, 4])
def test_a_decoder_in_half_precision_trains_on_it(
    position: str, num_kv_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(*inputs: Tensor | None) -> Tensor:
        calls.append(1)
        return blocked_attention.blocked_attention(*inputs)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.model.attention.blocked_attention", counted)
    architecture = tiny(position_encoding=position, num_heads=4, num_kv_heads=num_kv_heads, num_layers=2)
    whole = Decoder(architecture, seed=0)
    half = Decoder(architecture, seed=0).bfloat16()
    ids = torch.randint(architecture.vocab_size, (2, 9), generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad(whole.loss(ids, ids), list(whole.parameters()))
    assert not calls
    loss = half.loss(ids, ids)
    assert calls == [1, 1]
    for ours, exact in zip(torch.autograd.grad(loss, list(half.parameters())), expected, strict=True):
        assert (ours - exact).norm() < 0.05 * exact.norm() + 1e-4


@pytest.mark.slow  # a compiler runs
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("length", [QUERIES + 5, 4 * QUERIES])
def test_compiled_it_is_the_same(length: int) -> None:
    query, key, value = (tensor.detach() for tensor in heads(length)[:3])
    compiled = torch.compile(lambda *inputs: blocked_attention.blocked_attention(*inputs, None), dynamic=False)
    expected = blocked_attention.blocked_attention(query, key, value, None)
    torch.testing.assert_close(compiled(query, key, value), expected)
