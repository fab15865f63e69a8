from __future__ import annotations

import math

import pytest
import torch

from nas.errors import UsageError
from nas.evaluate.code_prompts import prompt_uniforms
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.prompts import Prompt
from nas.evaluate.quality.protocols import PROTOCOLS, prompts_that_fit, protocol_of, write
from tests.helpers.fixed_model import END, fixed_model

PROMPTS = [Prompt(0, "import os"), Prompt(5, "x ="), Prompt(2, "class A:")]
A_AND_B = {"a": math.log(0.6), "b": math.log(0.4)}


def test_the_protocols_are_the_seed_s_then_greedy_then_plain_sampling() -> None:
    asked = [
        (one.name, one.sampling.temperature, one.sampling.top_p, one.sampling.top_k, one.max_tokens, one.max_bytes)
        for one in PROTOCOLS.values()
    ]
    assert asked == [
        ("origin", 0.8, 0.9, 40, 64, None), ("greedy", 0.0, 1.0, 0, 64, None), ("plain", 1.0, 1.0, 0, 200, 200),
    ]  # fmt: skip
    assert list(PROTOCOLS) == ["origin", "greedy", "plain"]


@pytest.mark.parametrize(
    ("name", "length", "share_of_a"),
    [
        ("origin", 64, 0.6 ** (1 / 0.8) / (0.6 ** (1 / 0.8) + 0.4 ** (1 / 0.8))),
        ("greedy", 64, 1.0),
        ("plain", 200, 0.6),
    ],
)
def test_completions_follow_the_random_numbers_of_their_prompt_s_index(
    name: str, length: int, share_of_a: float
) -> None:
    written = write(fixed_model(A_AND_B), PROMPTS, PROTOCOLS[name], "run")
    uniforms = prompt_uniforms(6, length)
    expected = ["".join("a" if u < share_of_a else "b" for u in uniforms[one.index].tolist()) for one in PROMPTS]
    assert [one.completion for one in written.completions] == expected
    assert [one.index for one in written.completions] == [0, 5, 2]
    assert written.num_cut_short == 0
    assert not any(one.ended for one in written.completions)
    alone = write(fixed_model(A_AND_B), PROMPTS[1:2], PROTOCOLS[name], "run")
    assert alone.completions[0].completion == expected[1]


def test_a_completion_tells_how_it_was_asked_for() -> None:
    (one,) = write(fixed_model(A_AND_B), PROMPTS[:1], PROTOCOLS["plain"], "arch-plain").completions
    told = one.model_dump(exclude={"completion", "elapsed_sec"})
    assert told == {
        "index": 0, "prompt": "import os", "mode": "plain", "run_id": "arch-plain",
        "max_tokens": 200, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "ended": False,
    }  # fmt: skip
    assert one.elapsed_sec is not None and 0 < one.elapsed_sec < 60
    assert protocol_of(one) == "plain"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_model_that_ends_the_text_is_said_to_have_ended_it(name: str) -> None:
    written = write(fixed_model({END: 5.0, "a": -9.0}), PROMPTS, PROTOCOLS[name], "run")
    assert [(one.completion, one.ended) for one in written.completions] == [("", True)] * 3
    assert written.num_cut_short == 0


def test_what_max_seq_length_cuts_is_counted_and_has_not_ended() -> None:
    """Prompts of 9, 3 and 8 bytes in 205 leave room for 196, 202 and 197."""
    written = write(fixed_model({"a": 0.0}, max_seq_length=205), PROMPTS, PROTOCOLS["plain"], "run")
    assert [len(one.completion) for one in written.completions] == [196, 200, 197]
    assert written.num_cut_short == 2
    assert not any(one.ended for one in written.completions)


def test_more_prompts_than_a_batch_holds_are_all_written() -> None:
    prompts = [Prompt(index, "x" * (1 + index % 7)) for index in range(150)]
    written = write(fixed_model(A_AND_B), prompts, PROTOCOLS["origin"], "run").completions
    assert [one.index for one in written] == list(range(150))
    assert written[149].completion == write(fixed_model(A_AND_B), prompts[149:], PROTOCOLS["origin"], "").completions[
        0
    ].completion  # fmt: skip
    assert len({one.completion for one in written}) == 150


def test_a_prompt_fits_where_64_tokens_have_room_after_it() -> None:
    model = fixed_model(A_AND_B, max_seq_length=72)
    assert prompts_that_fit(model, PROMPTS) == [PROMPTS[1], PROMPTS[2]]
    with pytest.raises(UsageError, match=r"max_seq_length 66 has no room .* the shortest takes 3"):
        prompts_that_fit(fixed_model(A_AND_B, max_seq_length=66), PROMPTS)


@pytest.mark.parametrize(("length", "is_hopeless"), [(64, True), (65, False)])
def test_where_no_prompt_can_be_short_enough_a_longer_model_is_asked_for(length: int, is_hopeless: bool) -> None:
    model = fixed_model(A_AND_B, max_seq_length=length)
    with pytest.raises(UsageError) as caught:
        prompts_that_fit(model, PROMPTS)
    assert ("give shorter --prompts" in str(caught.value)) != is_hopeless
    hopeless = f"a model that reads {length} tokens (max_seq_length) cannot write 64 more after any prompt"
    assert str(caught.value).startswith(hopeless) == is_hopeless
    assert prompts_that_fit(fixed_model(A_AND_B, max_seq_length=65), [Prompt(0, "x")]) == [Prompt(0, "x")]


def test_generating_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    write(fixed_model(A_AND_B), PROMPTS, PROTOCOLS["origin"], "run")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "other", [{"mode": "batch"}, {"mode": None}, {"temperature": 0.7}, {"max_tokens": 128}, {"top_k": None}]
)
def test_a_completion_made_otherwise_is_of_no_protocol(other: dict[str, object]) -> None:
    ours = {"completion": "x", "mode": "origin", "max_tokens": 64, "temperature": 0.8, "top_p": 0.9, "top_k": 40}
    assert protocol_of(Completion.model_validate(ours)) == "origin"
    assert protocol_of(Completion.model_validate(ours | other)) is None
