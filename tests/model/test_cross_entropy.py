from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from nas.model.cross_entropy import CHUNK, SoftTargets, linear_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("tokens", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_chunks_give_the_loss_and_gradients_of_the_whole(tokens: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(tokens)
    hidden = torch.randn((tokens, 6), generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn((17, 6), generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(17, (tokens,), generator=generator)
    chunked = linear_cross_entropy(hidden, weight, targets, smoothing)
    whole = F.cross_entropy(hidden @ weight.T, targets, label_smoothing=smoothing)
    torch.testing.assert_close(chunked, whole)
    ours = torch.autograd.grad(3 * chunked, (hidden, weight))
    expected = torch.autograd.grad(3 * whole, (hidden, weight))
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("share", "temperature"), [(0.5, 1.0), (0.3, 2.5), (1.0, 1.0)])
@pytest.mark.parametrize("tokens", [1, CHUNK + 3])
def test_a_teachers_share_is_hintons_loss_by_pytorch(
    tokens: int, share: float, temperature: float, smoothing: float
) -> None:
    generator = torch.Generator().manual_seed(tokens)
    hidden = torch.randn((tokens, 6), generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn((17, 6), generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(17, (tokens,), generator=generator)
    teacher = torch.randn((tokens, 17), generator=generator, dtype=torch.float64)
    top, places = teacher.topk(4)
    wanted = torch.softmax(top / temperature, dim=1)
    soft_targets = SoftTargets(places, wanted, share, temperature)
    logits = hidden @ weight.T
    full = torch.zeros_like(teacher).scatter(1, places, wanted)
    divergence = F.kl_div(F.log_softmax(logits / temperature, dim=1), full, reduction="batchmean")
    hard = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    whole = (1 - share) * hard + share * temperature**2 * divergence
    ours = linear_cross_entropy(hidden, weight, targets, smoothing, soft_targets)
    torch.testing.assert_close(ours, whole)
    torch.testing.assert_close(
        torch.autograd.grad(ours, (hidden, weight)), torch.autograd.grad(whole, (hidden, weight))
    )


def test_large_logits_do_not_overflow_and_a_token_counts_at_most_87_nats() -> None:
    hidden = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = linear_cross_entropy(hidden, weight, torch.tensor([0, 0]))
    assert loss.item() == pytest.approx((0 - math.log(2.0**-126)) / 2)
    loss.backward()
    assert hidden.grad is not None
    # The second token is missed for sure: its logits' gradient is (-1, 1), halved by the mean.
    torch.testing.assert_close(hidden.grad, torch.tensor([[0.0], [-1.0]]))


def test_a_nan_loss_stays_nan() -> None:
    hidden = torch.tensor([[math.nan]], requires_grad=True)
    assert linear_cross_entropy(hidden, torch.ones(2, 1), torch.tensor([0])).isnan()


def test_half_precision_is_near_the_whole_in_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn((CHUNK + 9, 16), generator=generator).bfloat16().requires_grad_()
    weight = torch.randn((300, 16), generator=generator).bfloat16().requires_grad_()
    targets = torch.randint(300, (CHUNK + 9,), generator=generator)
    precise = [tensor.detach().double().requires_grad_() for tensor in (hidden, weight)]
    whole = F.cross_entropy(precise[0] @ precise[1].T, targets)
    chunked = linear_cross_entropy(hidden, weight, targets)
    assert chunked.dtype == torch.float32
    assert chunked.item() == pytest.approx(whole.item(), rel=2e-3)
    for ours, exact in zip(
        torch.autograd.grad(chunked, (hidden, weight)), torch.autograd.grad(whole, precise), strict=True
    ):
        assert ours.dtype == torch.bfloat16
        assert (ours.double() - exact).norm() < 0.01 * exact.norm()
