from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.model import normalization
from nas.model.normalization import RMSNorm, build_norm


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_layernorm_equals_numpy() -> None:
    norm = build_norm("layernorm", 6).double()
    weight, bias = randn(6, seed=1), randn(6, seed=2)
    norm.load_state_dict({"weight": weight, "bias": bias})
    x = 3 * randn(2, 4, 6).numpy() + 1
    centred = x - x.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight.numpy() + bias.numpy()
    np.testing.assert_allclose(norm(torch.from_numpy(x)).detach().numpy(), expected, atol=1e-12)


def test_rmsnorm_equals_numpy() -> None:
    norm = build_norm("rmsnorm", 6).double()
    weight = randn(6, seed=1)
    norm.load_state_dict({"weight": weight})
    x = 3 * randn(2, 4, 6).numpy() + 1
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * weight.numpy()
    np.testing.assert_allclose(norm(torch.from_numpy(x)).detach().numpy(), expected, atol=1e-12)


def test_rmsnorm_has_the_derivative_of_its_formula() -> None:
    norm = RMSNorm(5).double()
    norm.load_state_dict({"weight": randn(5, seed=1)})
    x = randn(2, 3, 4, 5).transpose(1, 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, weight: torch.func.functional_call(norm, {"weight": weight}, (x,)), (x, norm.weight)
    )


@pytest.mark.parametrize("rows_at_once", [1, 5, 12, 100])
def test_the_number_of_rows_at_once_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setattr(normalization, "_NUMBERS_AT_ONCE", 5 * rows_at_once)
    test_rmsnorm_has_the_derivative_of_its_formula()


def test_gains_of_half_precision_sum_their_gradient_in_float32() -> None:
    x, grad = randn(4096, 32).bfloat16(), (1 + randn(4096, 32, seed=1)).bfloat16()
    norm, precise = RMSNorm(32).bfloat16(), RMSNorm(32).double()
    norm(x).backward(grad)
    precise(x.double()).backward(grad.double())
    assert norm.weight.grad is not None and precise.weight.grad is not None
    error = (norm.weight.grad - precise.weight.grad).abs().max() / precise.weight.grad.abs().max()
    assert error < 0.01


def test_rmsnorm_of_zeros_is_zero_with_finite_gradients() -> None:
    norm = RMSNorm(4)
    x = torch.zeros(2, 4, requires_grad=True)
    y = norm(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(2, 4))
    assert x.grad is not None and x.grad.isfinite().all()
