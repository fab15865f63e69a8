from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas.trial.audit import Subject
from nas.trial.audit.copies import check_copies
from nas.trial.audit.first_loss import check_first_loss
from nas.trial.audit.learning import check_learning
from nas.trial.audit.trained import LOWEST_BPB, check_plausibility, check_shifts, lowest_plausible_bpb

from .mutants import LEAKING, MAX_LENGTH, VOCAB_SIZE, WHOLE, Plain


class Counter(nn.Module):
    """Knows that tokens count upwards, and says so of the token `ahead` places on."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, ids: Tensor) -> Tensor:
        said = nn.functional.one_hot((ids + self.ahead) % VOCAB_SIZE, VOCAB_SIZE)
        return 9 * self.weight * said


@pytest.mark.parametrize(("ahead", "verdict"), [(0, "leak"), (1, "passed"), (2, "leak")])
def test_the_loss_must_be_lowest_on_the_next_token(ahead: int, verdict: str) -> None:
    tokens = np.arange(4000) % VOCAB_SIZE
    found = check_shifts(Subject(Counter(ahead), VOCAB_SIZE, MAX_LENGTH), tokens)
    assert found.verdict == verdict
    # By hand: 9 against V - 1 zeros where it is right.
    assert f"shift {ahead}: {math.log(1 + (VOCAB_SIZE - 1) * math.exp(-9)):.3f} nats" in found.figure


@pytest.mark.parametrize(
    ("bpb", "num_params", "verdict"),
    [
        (1.2, 1_000_000, "passed"),
        (0.7, 1_000_000, "leak"),
        (0.7, 10_000_000, "passed"),
        (0.45, 10_000_000, "leak"),
        (0.12, 500_000, "leak"),  # the seed's model: perplexity 1.38 on 3.8 bytes a token
        (2.5, 1_000_000, "warning"),
    ],
)
def test_bits_per_byte_are_set_against_the_size(bpb: float, num_params: int, verdict: str) -> None:
    assert check_plausibility(bpb, num_params, {"gzip": 2.0, "xz": 1.5}).verdict == verdict


def test_text_that_repeats_itself_is_cheap_for_everyone() -> None:
    assert check_plausibility(0.12, 500_000, {"xz": 0.15}).verdict == "passed"
    assert check_plausibility(0.05, 500_000, {"xz": 0.15}).verdict == "leak"


def test_the_bound_falls_with_the_size() -> None:
    for size, lowest in LOWEST_BPB.items():
        assert lowest_plausible_bpb(int(size)) == pytest.approx(lowest)
    assert lowest_plausible_bpb(round(10**6.5)) == pytest.approx((0.8 + 0.5) / 2, abs=1e-3)
    assert lowest_plausible_bpb(1) == LOWEST_BPB[1e5]


def text(seed: int, words: int = 400) -> str:
    drawn = np.random.default_rng(seed).integers(0, 500, words)
    return " ".join(f"word{one}" for one in drawn)


def test_a_copy_of_training_text_is_found_and_named() -> None:
    fresh, copied = text(9), text(1)
    changed = copied.replace("word7 ", "other7 ")
    found = check_copies([text(0), copied], [fresh, changed])
    assert found.verdict == "leak"
    assert "validation document 1 " in found.advice
    assert "1 near-duplicates" in found.figure


def test_fresh_text_is_no_copy() -> None:
    found = check_copies([text(0), text(1)], [text(2), "too short"])
    assert (found.verdict, found.advice) == ("passed", "")


@pytest.mark.parametrize("name", LEAKING)
def test_a_leaking_model_learns_what_cannot_be_learnt(name: str) -> None:
    assert check_learning(Subject(LEAKING[name], VOCAB_SIZE, MAX_LENGTH)).verdict == "leak"


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_model_does_not(name: str) -> None:
    assert check_learning(Subject(WHOLE[name], VOCAB_SIZE, MAX_LENGTH)).verdict == "passed"


def test_the_first_loss_is_that_of_a_guess() -> None:
    module = Plain()
    with torch.no_grad():
        module.head.weight.mul_(0.1)
    found = check_first_loss(Subject(module, VOCAB_SIZE, MAX_LENGTH), is_trained=False)
    assert found.verdict == "passed"
    assert f"a guess costs {math.log2(VOCAB_SIZE):.2f}" in found.figure
    with torch.no_grad():
        module.head.weight.mul_(100)
    assert check_first_loss(Subject(module, VOCAB_SIZE, MAX_LENGTH), is_trained=False).verdict == "warning"
    assert check_first_loss(Subject(module, VOCAB_SIZE, MAX_LENGTH), is_trained=True).verdict == "not checked"
