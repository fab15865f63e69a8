from __future__ import annotations

import pytest
import torch

from nas.architecture.config import ArchitectureConfig
from nas.model import GREEDY, Decoder, generate, packed_weights
from nas.model.linear import Linear
from tests.helpers.architectures import tiny

IDS = torch.randint(500, (3, 12), generator=torch.Generator().manual_seed(0))


def wide(**changes: object) -> ArchitectureConfig:
    """With matrices large enough to be packed."""
    return tiny(**{"vocab_size": 500, "hidden_dim": 64, "num_heads": 4, "num_kv_heads": 2, **changes})


def is_packed(model: Decoder) -> bool:
    linears = [module for module in model.modules() if isinstance(module, Linear)]
    return model.packed_embedding is not None or any(linear.packed is not None for linear in linears)


@pytest.mark.parametrize("tied", [True, False])
def test_packed_products_are_those_of_float32(tied: bool) -> None:
    model = Decoder(wide(tie_embeddings=tied)).eval()
    expected = Decoder(wide(tie_embeddings=tied)).double().eval()
    with torch.inference_mode(), packed_weights.packed_weights(model):
        assert is_packed(model) == packed_weights.can_pack(model.output_weight)
        logits = model(IDS)
    torch.testing.assert_close(logits.double(), expected(IDS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_nothing_stays_packed_so_that_weights_can_change(tied: bool) -> None:
    model = Decoder(wide(tie_embeddings=tied))
    with pytest.raises(ZeroDivisionError), packed_weights.packed_weights(model):
        1 / 0  # noqa: B018
    assert not is_packed(model)
    with torch.inference_mode(), packed_weights.packed_weights(model):
        model(IDS)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert not model(IDS).any()


def test_a_block_within_another_leaves_its_copies() -> None:
    model = Decoder(wide())
    with packed_weights.packed_weights(model):
        with packed_weights.packed_weights(model):
            pass
        assert is_packed(model) == packed_weights.can_pack(model.output_weight)
    assert not is_packed(model)


def test_a_small_matrix_is_left_as_it_is() -> None:
    assert packed_weights.pack(torch.zeros(63, 65)) is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_only_float32_is_packed(dtype: torch.dtype) -> None:
    model = Decoder(wide()).to(dtype)
    with packed_weights.packed_weights(model):
        assert not is_packed(model)


def test_generation_is_the_same_without_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Decoder(wide())
    with torch.no_grad():
        model.output_weight.mul_(30)

    def complete() -> list[list[int]]:
        token_bytes = torch.ones(500, dtype=torch.int64)
        prompts = [[5, 6, 7], [1], [9] * 5]
        return generate(
            model, prompts, GREEDY, uniforms=None, token_bytes=token_bytes, byte_limit=20, eot_id=-1, max_length=12
        )

    packed = complete()
    monkeypatch.setattr(packed_weights, "can_pack", lambda weight: False)
    assert packed == complete()
