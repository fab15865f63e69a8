from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from nas.model.cross_entropy import CHUNK, linear_cross_entropy


@pytest.mark.parametrize("tokens", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_chunks_give_the_loss_and_gradients_of_the_whole(tokens: int) -> None:
    generator = torch.Generator().manual_seed(tokens)
    hidden = torch.randn((tokens, 6), generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn((17, 6), generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(17, (tokens,), generator=generator)
    chunked = linear_cross_entropy(hidden, weight, targets)
    whole = F.cross_entropy(hidden @ weight.T, targets)
    torch.testing.assert_close(chunked, whole)
    ours = torch.autograd.grad(3 * chunked, (hidden, weight))
    theirs = torch.autograd.grad(3 * whole, (hidden, weight))
    torch.testing.assert_close(ours, theirs)


def test_large_logits_do_not_overflow() -> None:
    hidden = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = linear_cross_entropy(hidden, weight, torch.tensor([0, 0]))
    assert loss.item() == pytest.approx(1e4)
    loss.backward()
    assert hidden.grad is not None and hidden.grad.isfinite().all()
