from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch

from nas.errors import UsageError
from nas.evaluate.code_prompts import prompt_uniforms
from nas.evaluate.quality.completions import Completion
from nas.evaluate.quality.prompts import Prompt
from nas.evaluate.quality.protocols import PROTOCOLS, generate_completions, prompts_that_fit, protocol_name
from tests.helpers.fixed_model import END, fixed_model

PROMPTS = [Prompt(0, "import os"), Prompt(5, "x ="), Prompt(2, "class A:")]
A_AND_B = {"a": math.log(0.6), "b": math.log(0.4)}


def test_the_protocols_are_the_origin_s_then_greedy_then_plain_sampling() -> None:
    settings = [
        (name, *asdict(protocol.sampling).values(), protocol.max_tokens, protocol.max_bytes)
        for name, protocol in PROTOCOLS.items()
    ]
    assert settings == [
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
    generated = generate_completions(fixed_model(A_AND_B), PROMPTS, PROTOCOLS[name], "run")
    uniforms = prompt_uniforms(6, length)
    expected = ["".join("a" if u < share_of_a else "b" for u in uniforms[prompt.index].tolist()) for prompt in PROMPTS]
    assert [row.completion for row in generated.completions] == expected
    assert [row.index for row in generated.completions] == [0, 5, 2]
    assert generated.num_cut_short == 0
    assert not any(row.ended for row in generated.completions)
    alone = generate_completions(fixed_model(A_AND_B), PROMPTS[1:2], PROTOCOLS[name], "run")
    assert alone.completions[0].completion == expected[1]


def test_a_completion_has_the_settings_that_made_it() -> None:
    (completion,) = generate_completions(
        fixed_model(A_AND_B), PROMPTS[:1], PROTOCOLS["plain"], "arch-plain"
    ).completions
    settings = completion.model_dump(exclude={"completion", "elapsed_sec"})
    assert settings == {
        "index": 0, "prompt": "import os", "mode": "plain", "run_id": "arch-plain",
        "max_tokens": 200, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "ended": False,
    }  # fmt: skip
    assert completion.elapsed_sec is not None and 0 < completion.elapsed_sec < 60
    assert protocol_name(completion) == "plain"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_text_that_the_model_ends_is_marked(name: str) -> None:
    generated = generate_completions(fixed_model({END: 5.0, "a": -9.0}), PROMPTS, PROTOCOLS[name], "run")
    assert [(row.completion, row.ended) for row in generated.completions] == [("", True)] * 3
    assert generated.num_cut_short == 0


def test_completions_cut_by_max_seq_length_are_counted_and_not_marked_as_ended() -> None:
    """Check prompts of 9, 3 and 8 bytes: a length of 205 leaves room for 196, 202 and 197."""
    generated = generate_completions(fixed_model({"a": 0.0}, max_seq_length=205), PROMPTS, PROTOCOLS["plain"], "run")
    assert [len(row.completion) for row in generated.completions] == [196, 200, 197]
    assert generated.num_cut_short == 2
    assert not any(row.ended for row in generated.completions)


def test_more_prompts_than_a_batch_are_all_completed() -> None:
    prompts = [Prompt(index, "x" * (1 + index % 7)) for index in range(150)]
    written = generate_completions(fixed_model(A_AND_B), prompts, PROTOCOLS["origin"], "run").completions
    assert [row.index for row in written] == list(range(150))
    (alone,) = generate_completions(fixed_model(A_AND_B), prompts[149:], PROTOCOLS["origin"], "").completions
    assert written[149].completion == alone.completion
    assert len({row.completion for row in written}) == 150


def test_a_prompt_fits_where_64_tokens_have_room_after_it() -> None:
    model = fixed_model(A_AND_B, max_seq_length=72)
    assert prompts_that_fit(model, PROMPTS) == [PROMPTS[1], PROMPTS[2]]
    with pytest.raises(UsageError, match=r"max_seq_length 66 has no room .* the shortest prompt has 3"):
        prompts_that_fit(fixed_model(A_AND_B, max_seq_length=66), PROMPTS)


@pytest.mark.parametrize(("length", "is_too_short"), [(64, True), (65, False)])
def test_a_model_too_short_for_any_prompt_is_refused(length: int, is_too_short: bool) -> None:
    model = fixed_model(A_AND_B, max_seq_length=length)
    with pytest.raises(UsageError) as caught:
        prompts_that_fit(model, PROMPTS)
    assert ("give shorter --prompts" in str(caught.value)) != is_too_short
    assert ("give one with a max_seq_length well above 64" in str(caught.value)) == is_too_short
    assert prompts_that_fit(fixed_model(A_AND_B, max_seq_length=65), [Prompt(0, "x")]) == [Prompt(0, "x")]


def test_generating_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    generate_completions(fixed_model(A_AND_B), PROMPTS, PROTOCOLS["origin"], "run")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "other", [{"mode": "batch"}, {"mode": None}, {"temperature": 0.7}, {"max_tokens": 128}, {"top_k": None}]
)
def test_a_completion_with_other_settings_has_no_protocol(other: dict[str, object]) -> None:
    origin = {"completion": "x", "mode": "origin", "max_tokens": 64, "temperature": 0.8, "top_p": 0.9, "top_k": 40}
    assert protocol_name(Completion.model_validate(origin)) == "origin"
    assert protocol_name(Completion.model_validate(origin | other)) is None
