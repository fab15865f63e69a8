from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.audit.finding import Finding
from nas.audit.subject import AuditedModel, draw_ids
from nas.errors import UsageError
from nas.model import Decoder
from tests.helpers.leaky_models import LEAKY, MAX_LENGTH, VOCAB_SIZE, CAUSAL, NanModel, PlainModel
from tests.helpers.tiny_models import tiny

CHECKS = [check_future_tokens, check_gradients, check_probabilities]


def subject(module: nn.Module) -> AuditedModel:
    return AuditedModel(module, VOCAB_SIZE, MAX_LENGTH)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", LEAKY)
def test_each_check_alone_finds_each_leak(check: Callable[[AuditedModel], Finding], name: str) -> None:
    found = check(subject(LEAKY[name]))
    assert found.verdict == "leak", found
    assert "mask" in found.advice


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CAUSAL)
def test_each_check_passes_a_model_without_one(check: Callable[[AuditedModel], Finding], name: str) -> None:
    found = check(subject(CAUSAL[name]))
    assert (found.verdict, found.advice) == ("passed", "")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "none"])
@pytest.mark.parametrize("changes", [{}, {"num_kv_heads": 1, "qk_norm": True, "tie_embeddings": True}])
def test_our_own_decoder_passes(
    check: Callable[[AuditedModel], Finding], position: str, changes: dict[str, Any]
) -> None:
    config = tiny(num_layers=2, position_encoding=position, vocab_size=VOCAB_SIZE, **changes)
    assert check(AuditedModel(Decoder(config, seed=0), VOCAB_SIZE, config.max_seq_length)).verdict == "passed"


@pytest.mark.parametrize("check", CHECKS)
def test_our_own_decoder_without_its_mask_is_caught(
    check: Callable[[AuditedModel], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *given, is_causal, **named: whole(*given, **named)
    )
    config = tiny(num_layers=1, vocab_size=VOCAB_SIZE)
    assert check(AuditedModel(Decoder(config, seed=0), VOCAB_SIZE, config.max_seq_length)).verdict == "leak"


@pytest.mark.parametrize("check", CHECKS)
def test_the_module_under_audit_is_left_as_it_was(check: Callable[[AuditedModel], Finding]) -> None:
    module = PlainModel().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    check(subject(module))
    assert module.training
    assert all(
        value.dtype == torch.float32 and torch.equal(value, before[name]) for name, value in module.state_dict().items()
    )
    assert all(one.grad is None for one in module.parameters())


class Deaf(PlainModel):
    """Says the same whatever it reads."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * 0 + self.head.bias


def test_a_model_that_hears_nothing_is_not_checked_rather_than_passed() -> None:
    assert check_future_tokens(subject(Deaf())).verdict == "not checked"
    assert check_gradients(subject(Deaf())).verdict == "not checked"


@pytest.mark.parametrize("check", CHECKS)
def test_a_model_of_nan_is_not_checked_rather_than_passed(check: Callable[[AuditedModel], Finding]) -> None:
    found = check(subject(NanModel()))
    assert (found.verdict, "not finite" in found.advice) == ("not checked", True)


class Poisoned(PlainModel):
    """Without a mask for one token, and what it then reads makes NaN."""

    def forward(self, ids: Tensor) -> Tensor:
        said = super().forward(ids)
        return said + torch.where(ids == VOCAB_SIZE - 1, torch.nan, 0.0).sum(dim=1)[:, None, None]


def test_a_future_token_that_turns_the_logits_to_nan_is_a_leak() -> None:
    # The drawn tokens lack it, so that only the changed futures have it.
    assert VOCAB_SIZE - 1 not in draw_ids(subject(Poisoned()), 1, 8)
    found = check_future_tokens(AuditedModel(Poisoned(), VOCAB_SIZE, 8), lengths=(), most_cuts=7)
    assert (found.verdict, "largest change inf" in found.figure) == ("leak", True)


@pytest.mark.parametrize("check", CHECKS)
def test_what_the_models_own_hooks_add_to_its_embedding_is_checked_too(
    check: Callable[[AuditedModel], Finding],
) -> None:
    module = PlainModel()
    module.embedding.register_forward_hook(lambda module, given, output: output + output.roll(-1, dims=1))
    assert check(subject(module)).verdict == "leak"


class Single(PlainModel):
    """No attention: each position reads its own token alone."""

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.embedding(ids))
        return logits


def test_a_model_without_context_is_remarked_upon() -> None:
    found = check_gradients(subject(Single()))
    assert found.verdict == "warning"
    assert "receptive field 1 tokens" in found.figure


def test_the_receptive_field_is_counted() -> None:
    # A convolution of three tokens alone reads a token and the two before it.
    assert "receptive field 3 tokens" in check_gradients(subject(PlainModel(ahead=(), convolution_ahead=0))).figure
    assert "receptive field 32 tokens" in check_gradients(subject(PlainModel())).figure


class OneHot(nn.Module):
    """No embedding: nothing to take a gradient to."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(VOCAB_SIZE, VOCAB_SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(ids, VOCAB_SIZE).to(self.head.weight.dtype)
        logits: Tensor = self.head(one_hot.cumsum(dim=1))
        return logits


def test_without_an_embedding_the_other_checks_still_answer() -> None:
    assert check_gradients(subject(OneHot())).verdict == "not checked"
    assert check_future_tokens(subject(OneHot())).verdict == "passed"
    assert check_probabilities(subject(OneHot())).verdict == "passed"


class Float32Only(PlainModel):
    """Refuses float64, as models with fixed types do."""

    def forward(self, ids: Tensor) -> Tensor:
        if self.head.weight.dtype == torch.float64:
            raise RuntimeError("expected Float")
        return super().forward(ids)


@pytest.mark.parametrize("check", CHECKS)
def test_a_model_that_cannot_run_in_float64_is_checked_in_float32(check: Callable[[AuditedModel], Finding]) -> None:
    found = check(subject(Float32Only()))
    assert found.verdict == "passed"
    assert "float32" in found.did
    assert check(subject(Float32Only(ahead=(1, 1)))).verdict == "leak"


def test_logits_of_another_shape_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"logits of shape \(1, 2, 50\)"):
        check_future_tokens(AuditedModel(PlainModel(), VOCAB_SIZE + 2, MAX_LENGTH))
