from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.audit.audited_model import AuditedModel
from nas.audit.first_loss import check_first_loss
from nas.audit.learning import check_learning
from nas.audit.plausibility import MIN_BPB, check_plausibility, check_shifts, lowest_plausible_bpb
from nas.audit.text import Text
from nas.audit.text_checks import check_copies
from nas.data.prepared import PreparedData
from nas.model import Decoder
from nas.training.batches import Batches
from nas.training.trainer import Trainer
from tests.helpers.leaky_models import CAUSAL, LEAKY, MAX_LENGTH, VOCAB_SIZE, NanModel, PlainModel
from tests.helpers.tiny_models import NUMERICS, recipe, tiny


class Counter(nn.Module):
    """A model that predicts, for tokens that count upwards, the token `ahead` places on."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, ids: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot((ids + self.ahead) % VOCAB_SIZE, VOCAB_SIZE)
        return 9 * self.weight * one_hot


@pytest.mark.parametrize(("ahead", "outcome"), [(0, "leak"), (1, "passed"), (2, "leak")])
def test_the_loss_must_be_lowest_on_the_next_token(ahead: int, outcome: str) -> None:
    tokens = np.arange(4000) % VOCAB_SIZE
    finding = check_shifts(AuditedModel(Counter(ahead), VOCAB_SIZE, MAX_LENGTH), tokens)
    assert finding.outcome == outcome
    # By hand: a logit of 9 against V - 1 zeros.
    assert f"shift {ahead}: {math.log(1 + (VOCAB_SIZE - 1) * math.exp(-9)):.3f} nats" in finding.figure


def shift_targets(shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put targets `shift` places after their inputs; a shift of one is correct."""
    whole = Batches.at

    def shifted(self: Batches, step: int) -> tuple[Tensor, Tensor]:
        inputs, targets = whole(self, step)
        rows = torch.cat([inputs, targets[:, -1:]], dim=1)
        return rows[:, : rows.shape[1] - shift], rows[:, shift:]

    monkeypatch.setattr(Batches, "at", shifted)


def trained(
    data: PreparedData, num_steps: int, learning_rate: float = 0.01, vocab: str = "bytes", **changes: Any
) -> AuditedModel:
    size = data.vocabulary_sizes[vocab]
    plan = recipe(num_steps=300, batch_size=16, seq_length=32, learning_rate=learning_rate)
    model = Decoder(tiny(vocab_size=size, **changes), seed=0)
    training = Trainer(model, data.tokens(vocab, "train"), plan, NUMERICS)
    training.advance(num_steps)
    return AuditedModel(training.model.eval(), size, 64)


@pytest.mark.parametrize(("vocab", "num_steps"), [("bytes", 20), ("bytes", 60), ("bpe-512", 40)])
def test_a_short_honest_training_of_tied_embeddings_has_no_shift_to_check(
    vocab: str, num_steps: int, data: PreparedData
) -> None:
    """Check a model that knows more than frequencies, and to which the token just read costs a little less."""
    finding = check_shifts(trained(data, num_steps, vocab=vocab, tie_embeddings=True), data.tokens(vocab, "validation"))
    assert finding.outcome == "not checked", finding
    assert "hardly learned: it favours the token just read" in finding.advice
    assert "(shift 0: " in finding.advice


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("learning_rate", "num_steps"), [(0.01, 10), (0.001, 60)])
def test_a_short_training_on_targets_that_were_not_shifted_is_caught(
    tied: bool, learning_rate: float, num_steps: int, data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift_targets(0, monkeypatch)
    subject = trained(data, num_steps, learning_rate, tie_embeddings=tied)
    finding = check_shifts(subject, data.tokens("bytes", "validation"))
    assert (finding.outcome, "not shifted by one" in finding.advice) == ("leak", True), finding


@pytest.mark.parametrize(("shift", "outcome"), [(0, "leak"), (1, "passed"), (2, "leak")])
def test_a_decoder_trained_on_targets_of_the_wrong_shift_is_caught(
    shift: int, outcome: str, data: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift_targets(shift, monkeypatch)
    finding = check_shifts(trained(data, num_steps=300), data.tokens("bytes", "validation"))
    assert finding.outcome == outcome, finding
    assert ("not shifted by one" in finding.advice, "shifted twice" in finding.advice) == (shift == 0, shift == 2)


@pytest.mark.parametrize("tied", [False, True])
def test_an_untrained_model_has_no_shift_to_check(tied: bool, data: PreparedData) -> None:
    config = tiny(tie_embeddings=tied)
    tokens = data.tokens("bytes", "validation")
    finding = check_shifts(AuditedModel(Decoder(config, seed=0), 256, config.max_seq_length), tokens)
    assert (finding.outcome, "hardly learned" in finding.advice) == ("not checked", True)


def test_a_loss_that_is_not_finite_is_not_checked() -> None:
    broken = AuditedModel(NanModel(), VOCAB_SIZE, MAX_LENGTH)
    for finding in (
        check_shifts(broken, np.arange(4000) % VOCAB_SIZE),
        check_plausibility(math.nan, 1_000_000, {"xz": 1.5}),
        check_first_loss(broken, is_trained=False),
        check_learning(broken, steps=1),
    ):
        assert (finding.outcome, "not finite" in finding.advice) == ("not checked", True)


@pytest.mark.parametrize(
    ("bpb", "num_params", "outcome"),
    [
        (1.2, 1_000_000, "passed"),
        (0.7, 1_000_000, "leak"),
        (0.7, 10_000_000, "passed"),
        (0.45, 10_000_000, "leak"),
        (0.12, 500_000, "leak"),  # the origin's model: perplexity 1.38 on 3.8 bytes a token
        (2.5, 1_000_000, "warning"),
    ],
)
def test_bits_per_byte_are_compared_with_the_size(bpb: float, num_params: int, outcome: str) -> None:
    assert check_plausibility(bpb, num_params, {"gzip": 2.0, "xz": 1.5}).outcome == outcome


def test_text_that_repeats_itself_is_cheap_for_everyone() -> None:
    assert check_plausibility(0.12, 500_000, {"xz": 0.15}).outcome == "passed"
    assert check_plausibility(0.05, 500_000, {"xz": 0.15}).outcome == "leak"


def test_the_bound_falls_with_the_size() -> None:
    for size, lowest in MIN_BPB.items():
        assert lowest_plausible_bpb(int(size)) == pytest.approx(lowest)
    assert lowest_plausible_bpb(round(10**6.5)) == pytest.approx((0.8 + 0.5) / 2, abs=1e-3)
    assert lowest_plausible_bpb(1) == MIN_BPB[1e5]


def text(seed: int, words: int = 400) -> str:
    numbers = np.random.default_rng(seed).integers(0, 500, words)
    return " ".join(f"word{number}" for number in numbers)


def test_a_copy_of_training_text_is_found_and_named() -> None:
    fresh, copied = text(9), text(1)
    changed = copied.replace("word7 ", "other7 ")
    finding = check_copies([text(0), copied], [fresh, changed])
    assert finding.outcome == "leak"
    assert "validation document 1 " in finding.advice
    assert "1 near-duplicates" in finding.figure


def test_fresh_text_is_not_a_copy() -> None:
    finding = check_copies([text(0), text(1)], [text(2), "too short"])
    assert (finding.outcome, finding.advice) == ("passed", "")


@pytest.mark.parametrize("name", LEAKY)
def test_a_leaking_model_learns_random_tokens(name: str) -> None:
    assert check_learning(AuditedModel(LEAKY[name], VOCAB_SIZE, MAX_LENGTH)).outcome == "leak"


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_model_does_not(name: str) -> None:
    assert check_learning(AuditedModel(CAUSAL[name], VOCAB_SIZE, MAX_LENGTH)).outcome == "passed"


def test_the_first_loss_is_that_of_a_guess() -> None:
    module = PlainModel()
    with torch.no_grad():
        module.head.weight.mul_(0.1)
    finding = check_first_loss(AuditedModel(module, VOCAB_SIZE, MAX_LENGTH), is_trained=False)
    assert finding.outcome == "passed"
    assert f"a guess costs {math.log2(VOCAB_SIZE):.2f}" in finding.figure
    with torch.no_grad():
        module.head.weight.mul_(100)
    assert check_first_loss(AuditedModel(module, VOCAB_SIZE, MAX_LENGTH), is_trained=False).outcome == "warning"
    assert check_first_loss(AuditedModel(module, VOCAB_SIZE, MAX_LENGTH), is_trained=True).outcome == "not checked"


def test_the_first_loss_of_text_is_in_bits_per_byte() -> None:
    # Logits of zero cost log2 V per token; 100 tokens of 250 bytes are 2.5 bytes per token.
    module = PlainModel()
    for weight in module.head.parameters():
        torch.nn.init.zeros_(weight)
    text = Text(np.arange(100) % VOCAB_SIZE, 0, b"x" * 250)
    finding = check_first_loss(AuditedModel(module, VOCAB_SIZE, MAX_LENGTH), is_trained=False, text=text)
    bits = f"{math.log2(VOCAB_SIZE) / 2.5:.2f}"
    assert finding.outcome == "passed"
    assert f"{bits} bits per byte, a guess costs {bits} " in finding.figure
    assert "100 tokens of validation text" in finding.method
    with torch.no_grad():
        module.head.bias[0] = 9.0  # as sure of token 0 as a trained model of its predictions
    assert (
        check_first_loss(AuditedModel(module, VOCAB_SIZE, MAX_LENGTH), is_trained=False, text=text).outcome == "warning"
    )
