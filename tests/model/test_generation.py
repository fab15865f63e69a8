from __future__ import annotations

import pytest
import torch

from nas.architecture.config import ArchitectureConfig
from nas.errors import UsageError
from nas.model import GREEDY, Decoder, SamplingSettings, generate, stream_tokens
from nas.model.sampling import sample
from tests.helpers.architectures import tiny

VOCAB = 23
EOT = 0
PROMPTS = [[5, 6, 7], [1], [9, 8, 7, 6, 5], [2, 2], [11] * 12]
TOKEN_BYTES = torch.tensor([0] + [1 + i % 3 for i in range(1, VOCAB)])
UNIFORMS = torch.rand((len(PROMPTS), 12), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SAMPLED = SamplingSettings(temperature=1.0, top_p=0.95, top_k=15)


def lively(config: ArchitectureConfig) -> Decoder:
    """A model with logits far enough apart that rounding does not choose the token."""
    model = Decoder(config, seed=1).double()
    with torch.no_grad():
        model.output_weight.mul_(30)
    return model


def complete(model: Decoder, settings: SamplingSettings, rows: list[int], byte_limit: int = 100) -> list[list[int]]:
    return generate(
        model,
        [PROMPTS[row] for row in rows],
        settings,
        uniforms=UNIFORMS[rows],
        token_bytes=TOKEN_BYTES,
        byte_limit=byte_limit,
        eot_id=EOT,
    )


@torch.no_grad()
def complete_without_cache(model: Decoder, settings: SamplingSettings, row: int, byte_limit: int = 100) -> list[int]:
    """Return the completion by definition: one prompt alone, all of it read again for each token."""
    ids = list(PROMPTS[row])
    new: list[int] = []
    while len(ids) < model.config.max_seq_length and sum(int(TOKEN_BYTES[token]) for token in new) < byte_limit:
        logits = model(torch.tensor([ids]))[:, -1]
        token = (
            int(logits.argmax()) if settings.is_greedy else int(sample(logits, settings, UNIFORMS[row, len(new), None]))
        )
        if token == EOT:
            break
        ids.append(token)
        new.append(token)
    return new


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_cached_batches_equal_full_recomputation_of_each_row(
    config: ArchitectureConfig, settings: SamplingSettings
) -> None:
    model = lively(config).eval()
    rows = list(range(len(PROMPTS)))
    expected = [complete_without_cache(model, settings, row) for row in rows]
    assert complete(model, settings, rows) == expected
    assert sum(map(len, expected)) > 10


def test_cached_logits_equal_those_of_one_pass(config: ArchitectureConfig) -> None:
    model = Decoder(config).double().eval()
    ids = torch.randint(VOCAB, (2, 12), generator=torch.Generator().manual_seed(0))
    cache = model.new_cache(2, 12)
    states = [model.hidden(ids[:, :4], cache)] + [model.hidden(ids[:, t : t + 1], cache) for t in range(4, 12)]
    torch.testing.assert_close(model.unembed(torch.cat(states, dim=1)), model(ids), rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_row_does_not_depend_on_its_neighbours(settings: SamplingSettings) -> None:
    model = lively(tiny())
    together = complete(model, settings, [0, 1, 2, 3])
    assert [complete(model, settings, [row])[0] for row in range(4)] == together
    assert complete(model, settings, [3, 1]) == [together[3], together[1]]


def test_prompts_join_and_leave_in_any_order_and_each_is_continued_as_alone() -> None:
    model = lively(tiny())
    generator = torch.Generator().manual_seed(3)
    lengths = [4, 1, 9, 4, 2, 9, 1, 7, 12, 3, 3, 3]
    prompts = [torch.randint(1, VOCAB, (length,), generator=generator).tolist() for length in lengths]
    uniforms = torch.rand((len(prompts), 12), generator=generator, dtype=torch.float64)
    options = {"token_bytes": TOKEN_BYTES, "byte_limit": 5, "eot_id": EOT}
    together = generate(model, prompts, SAMPLED, uniforms=uniforms, **options)
    alone = [
        generate(model, [prompt], SAMPLED, uniforms=uniforms[row, None], **options)[0]
        for row, prompt in enumerate(prompts)
    ]
    assert together == alone
    # Rows have ended before others, and while some were still waiting.
    assert len(set(map(len, together))) > 2
    assert min(length + len(new) for length, new in zip(lengths, together, strict=True)) < max(lengths)


def test_a_completion_ends_with_the_token_that_reaches_the_byte_limit() -> None:
    for completion in complete(lively(tiny()), SAMPLED, [0, 1, 2, 3], byte_limit=4):
        sizes = [int(TOKEN_BYTES[token]) for token in completion]
        assert sum(sizes) >= 4 > sum(sizes[:-1])


def test_a_completion_ends_before_the_end_of_text() -> None:
    model = lively(tiny())
    free = complete(model, GREEDY, [0])[0]
    stopped = generate(
        model, [PROMPTS[0]], GREEDY, uniforms=None, token_bytes=TOKEN_BYTES, byte_limit=100, eot_id=free[3]
    )[0]
    assert stopped == free[: free.index(free[3])]


def test_a_completion_ends_at_max_length_and_with_its_uniforms() -> None:
    model = lively(tiny())
    options = {"token_bytes": torch.ones(VOCAB, dtype=torch.int64), "byte_limit": 100, "eot_id": -1}
    short = generate(model, PROMPTS[:4], GREEDY, uniforms=None, max_length=7, **options)
    assert [len(new) for new in short] == [4, 6, 2, 5]
    few = generate(model, PROMPTS, SAMPLED, uniforms=UNIFORMS[:, :3], **options)
    assert [len(new) for new in few] == [3, 3, 3, 3, 0]


def test_nothing_is_generated_for_no_prompts_or_no_bytes() -> None:
    assert complete(lively(tiny()), GREEDY, []) == []
    assert complete(lively(tiny()), GREEDY, [0, 1], byte_limit=0) == [[], []]


@pytest.mark.parametrize("settings", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("byte_limit", [5, 100])
def test_streamed_tokens_are_those_of_a_batch(settings: SamplingSettings, byte_limit: int) -> None:
    model = lively(tiny())
    together = complete(model, settings, list(range(len(PROMPTS))), byte_limit)
    options = {"token_bytes": TOKEN_BYTES, "byte_limit": byte_limit, "eot_id": EOT}
    streamed = [
        list(stream_tokens(model, prompt, settings, uniforms=UNIFORMS[row], **options))
        for row, prompt in enumerate(PROMPTS)
    ]
    assert streamed == together


def test_a_stream_that_is_closed_leaves_the_model_as_it_was() -> None:
    model = lively(tiny(residual_dropout=0.9, vocab_size=300, hidden_dim=64)).float().train()
    options = {"token_bytes": torch.ones(300, dtype=torch.int64), "byte_limit": 100, "eot_id": -1}
    stream = stream_tokens(model, PROMPTS[0], GREEDY, uniforms=None, **options)
    next(stream)
    assert not torch.is_inference_mode_enabled()
    next(stream)
    assert not model.training
    stream.close()
    assert model.training
    assert all(getattr(module, "packed", None) is None for module in model.modules())


@pytest.mark.parametrize("training", [False, True])
def test_the_mode_of_the_model_is_restored_and_dropout_is_off(training: bool) -> None:
    model = lively(tiny(residual_dropout=0.9)).train(training)
    assert complete(model, GREEDY, [0, 1]) == complete(lively(tiny()), GREEDY, [0, 1])
    assert model.training is training


def test_sampling_inverts_the_cumulative_distribution() -> None:
    logits = torch.tensor([0.2, 0.5, 0.3]).log().expand(5, 3)
    uniforms = torch.tensor([0.0, 0.49, 0.51, 0.79, 0.81])
    assert sample(logits, SamplingSettings(1.0, 1.0, 0), uniforms).tolist() == [1, 1, 2, 2, 0]


def test_top_k_and_top_p_keep_the_smallest_sufficient_set() -> None:
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log().expand(200, 4)
    uniforms = torch.arange(200) / 200

    def kept(top_p: float, top_k: int) -> set[int]:
        return set(sample(logits, SamplingSettings(1.0, top_p, top_k), uniforms).tolist())

    assert kept(1.0, 0) == {0, 1, 2, 3}
    assert kept(1.0, 2) == {1, 3}
    assert kept(0.69, 0) == {1, 3}
    assert kept(0.71, 0) == {1, 3, 2}
    assert kept(0.01, 0) == {1}
    # Of the two that top_k leaves, the first alone holds 4/7.
    assert kept(0.57, 2) == {1}
    assert kept(0.58, 2) == {1, 3}


def test_temperature_sharpens_by_the_power_of_its_inverse() -> None:
    logits = torch.tensor([0.8, 0.2]).log().expand(1000, 2)
    drawn = sample(logits, SamplingSettings(0.5, 1.0, 0), (torch.arange(1000) + 0.5) / 1000)
    assert drawn.sum().item() == round(1000 * 0.2**2 / (0.8**2 + 0.2**2))


def test_greedy_takes_the_lowest_id_among_equals() -> None:
    model = Decoder(tiny())
    with torch.no_grad():
        model.output_weight.zero_()
    new = generate(model, [[3]], GREEDY, uniforms=None, token_bytes=TOKEN_BYTES + 1, byte_limit=3, eot_id=-1)
    assert new == [[0, 0, 0]]


@pytest.mark.parametrize(("name", "value"), [("temperature", -1.0), ("top_p", 0.0), ("top_p", 1.5), ("top_k", -1)])
def test_impossible_settings_name_themselves_and_the_value(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"{name} must be .* found {value}"):
        SamplingSettings(**{name: value})
