from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nas.audit.audited_model import AuditedModel, draw_ids
from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.audit.finding import Finding
from nas.errors import UsageError
from nas.model import Decoder
from tests.helpers.leaky_models import CAUSAL, LEAKY, MAX_LENGTH, VOCAB_SIZE, NanModel, PlainModel
from tests.helpers.tiny_models import tiny

CHECKS = [check_future_tokens, check_gradients, check_probabilities]


def audited(module: nn.Module) -> AuditedModel:
    return AuditedModel(module, VOCAB_SIZE, MAX_LENGTH)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", LEAKY)
def test_each_check_alone_finds_each_leak(check: Callable[[AuditedModel], Finding], name: str) -> None:
    finding = check(audited(LEAKY[name]))
    assert finding.outcome == "leak", finding
    assert "mask" in finding.advice


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", CAUSAL)
def test_each_check_passes_a_model_without_one(check: Callable[[AuditedModel], Finding], name: str) -> None:
    finding = check(audited(CAUSAL[name]))
    assert (finding.outcome, finding.advice) == ("passed", "")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "none"])
@pytest.mark.parametrize("changes", [{}, {"num_kv_heads": 1, "qk_norm": True, "tie_embeddings": True}])
def test_our_own_decoder_passes(
    check: Callable[[AuditedModel], Finding], position: str, changes: dict[str, Any]
) -> None:
    config = tiny(num_layers=2, position_encoding=position, vocab_size=VOCAB_SIZE, **changes)
    assert check(AuditedModel(Decoder(config, seed=0), VOCAB_SIZE, config.max_seq_length)).outcome == "passed"


@pytest.mark.parametrize("check", CHECKS)
def test_our_own_decoder_without_its_mask_is_caught(
    check: Callable[[AuditedModel], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *given, is_causal, **named: whole(*given, **named)
    )
    config = tiny(num_layers=1, vocab_size=VOCAB_SIZE)
    assert check(AuditedModel(Decoder(config, seed=0), VOCAB_SIZE, config.max_seq_length)).outcome == "leak"


@pytest.mark.parametrize("check", CHECKS)
def test_the_module_under_audit_is_left_as_it_was(check: Callable[[AuditedModel], Finding]) -> None:
    module = PlainModel().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    check(audited(module))
    assert module.training
    assert all(
        value.dtype == torch.float32 and torch.equal(value, before[name]) for name, value in module.state_dict().items()
    )
    assert all(weight.grad is None for weight in module.parameters())


class IgnoresInput(PlainModel):
    """A model with the same logits for every input."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * 0 + self.head.bias


def test_a_model_that_ignores_its_input_is_not_checked_rather_than_passed() -> None:
    assert check_future_tokens(audited(IgnoresInput())).outcome == "not checked"
    assert check_gradients(audited(IgnoresInput())).outcome == "not checked"


@pytest.mark.parametrize("check", CHECKS)
def test_a_model_of_nan_is_not_checked_rather_than_passed(check: Callable[[AuditedModel], Finding]) -> None:
    finding = check(audited(NanModel()))
    assert (finding.outcome, "not finite" in finding.advice) == ("not checked", True)


class Poisoned(PlainModel):
    """A model that is unmasked for one token, which makes every logit NaN."""

    def forward(self, ids: Tensor) -> Tensor:
        said = super().forward(ids)
        return said + torch.where(ids == VOCAB_SIZE - 1, torch.nan, 0.0).sum(dim=1)[:, None, None]


def test_a_future_token_that_turns_the_logits_to_nan_is_a_leak() -> None:
    # The drawn tokens lack it, so that only the changed futures have it.
    assert VOCAB_SIZE - 1 not in draw_ids(audited(Poisoned()), 1, 8)
    finding = check_future_tokens(AuditedModel(Poisoned(), VOCAB_SIZE, 8), lengths=(), max_cuts=7)
    assert (finding.outcome, "largest change inf" in finding.figure) == ("leak", True)


@pytest.mark.parametrize("check", CHECKS)
def test_what_the_models_own_hooks_add_to_its_embedding_is_checked_too(
    check: Callable[[AuditedModel], Finding],
) -> None:
    module = PlainModel()
    module.embedding.register_forward_hook(lambda module, given, output: output + output.roll(-1, dims=1))
    assert check(audited(module)).outcome == "leak"


class Single(PlainModel):
    """A model without attention: each position reads its own token alone."""

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.head(self.embedding(ids))
        return logits


def test_a_model_without_context_gets_a_warning() -> None:
    finding = check_gradients(audited(Single()))
    assert finding.outcome == "warning"
    assert "receptive field 1 tokens" in finding.figure


def test_the_receptive_field_is_counted() -> None:
    # A convolution of three tokens alone reads a token and the two before it.
    assert "receptive field 3 tokens" in check_gradients(audited(PlainModel(ahead=(), convolution_ahead=0))).figure
    assert "receptive field 32 tokens" in check_gradients(audited(PlainModel())).figure


class OneHot(nn.Module):
    """A model without an embedding: there is nothing to take a gradient to."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(VOCAB_SIZE, VOCAB_SIZE)

    def forward(self, ids: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(ids, VOCAB_SIZE).to(self.head.weight.dtype)
        logits: Tensor = self.head(one_hot.cumsum(dim=1))
        return logits


def test_without_an_embedding_the_other_checks_still_answer() -> None:
    assert check_gradients(audited(OneHot())).outcome == "not checked"
    assert check_future_tokens(audited(OneHot())).outcome == "passed"
    assert check_probabilities(audited(OneHot())).outcome == "passed"


class Float32Only(PlainModel):
    """A model that refuses float64, as models with fixed types do."""

    def forward(self, ids: Tensor) -> Tensor:
        if self.head.weight.dtype == torch.float64:
            raise RuntimeError("expected Float")
        return super().forward(ids)


@pytest.mark.parametrize("check", CHECKS)
def test_a_model_that_cannot_run_in_float64_is_checked_in_float32(check: Callable[[AuditedModel], Finding]) -> None:
    finding = check(audited(Float32Only()))
    assert finding.outcome == "passed"
    assert "float32" in finding.method
    assert check(audited(Float32Only(ahead=(1, 1)))).outcome == "leak"


def test_logits_of_another_shape_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"logits of shape \(1, 2, 50\)"):
        check_future_tokens(AuditedModel(PlainModel(), VOCAB_SIZE + 2, MAX_LENGTH))
