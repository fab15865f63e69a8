from __future__ import annotations

import io

import pytest
import torch

from nas.data.prepared import PreparedData
from nas.errors import Diverged, OutOfMemory
from nas.model import Decoder
from nas.training.batches import Batches
from nas.training.trainer import Trainer, raise_if_out_of_memory
from tests.helpers.tiny_models import NUMERICS, random_tokens, recipe, same_weights, tiny


def training(steps_done: int = 0, **changes: object) -> Trainer:
    config = tiny(attention_dropout=0.2, residual_dropout=0.2)
    made = Trainer(Decoder(config, seed=1), random_tokens(600), recipe(**changes), NUMERICS)
    if steps_done:
        made.advance(steps_done)
    return made


@pytest.mark.parametrize("steps_done", [1, 5, 11])
def test_a_resumed_training_ends_with_the_same_bits(steps_done: int) -> None:
    uninterrupted = training(12)
    stopped = training(steps_done)
    buffer = io.BytesIO()
    torch.save({"model": stopped.model.state_dict(), "state": stopped.state()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    torch.manual_seed(99)  # other draws of this process make no difference
    resumed = training()
    resumed.model.load_state_dict(saved["model"])
    resumed.restore(steps_done, saved["state"])
    resumed.advance(12 - steps_done)
    assert resumed.step == uninterrupted.step == 12
    assert same_weights(resumed.model, uninterrupted.model)
    assert not same_weights(resumed.model, stopped.model)


def test_how_the_steps_are_cut_makes_no_difference() -> None:
    cut = training()
    for steps in (1, 4, 2, 5):
        cut.advance(steps)
    assert same_weights(cut.model, training(12).model)


@pytest.mark.slow  # a compiler runs
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_compiled_training_learns_the_same_and_resumes_with_the_same_bits(dtype: str) -> None:
    numerics = NUMERICS.model_copy(update={"dtype": dtype})

    def made(compiled: bool) -> Trainer:
        wanted = numerics.model_copy(update={"compiled": compiled})
        return Trainer(Decoder(tiny(), seed=1), random_tokens(600), recipe(), wanted)

    plain, compiled, stopped = made(False), made(True), made(True)
    assert compiled.advance(12) == pytest.approx(plain.advance(12), rel=1e-3)
    stopped.advance(5)
    resumed = made(True)
    resumed.model.load_state_dict(stopped.model.state_dict())
    resumed.restore(5, stopped.state())
    resumed.advance(7)
    assert same_weights(resumed.model, compiled.model)


def test_losses_of_steps_are_those_that_advance_averages_and_stop_on_request() -> None:
    losses = training().step_losses(12)
    assert training().advance(12) == sum(losses) / 12
    stopped, should_stop = training(), iter([False, False, True])
    assert stopped.step_losses(12, lambda: next(should_stop)) == losses[:3]
    assert stopped.step == 3
    assert stopped.step_losses(9) == losses[3:]


def without_dropout(**changes: object) -> Trainer:
    return Trainer(Decoder(tiny(), seed=1), random_tokens(600), recipe(**changes), NUMERICS)


def test_a_step_in_parts_is_that_step() -> None:
    whole, parts = without_dropout(), without_dropout(accumulate=4)
    assert parts.step_losses(3) == pytest.approx(whole.step_losses(3), rel=1e-5)
    for weight, expected in zip(parts.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.allclose(weight, expected, atol=1e-4)


def test_label_smoothing_is_in_the_training_loss_by_pytorchs_definition() -> None:
    smoothed = without_dropout(label_smoothing=0.3)
    inputs, targets = Batches(random_tokens(600), 4, 16, 5).at(0)
    logits = Decoder(tiny(), seed=1)(inputs).flatten(0, 1)
    expected = torch.nn.functional.cross_entropy(logits, targets.flatten(), label_smoothing=0.3)
    assert smoothed.advance(1) == pytest.approx(expected.item(), rel=1e-5)


def test_the_evaluated_weights_are_the_running_mean_computed_by_hand() -> None:
    averaged, plain = without_dropout(ema_decay=0.3), without_dropout()
    mean = [weight.detach().clone() for weight in plain.model.parameters()]
    for step in range(5):
        averaged.advance(1)
        plain.advance(1)
        decay = min(0.3, (1 + step) / (10 + step))
        mean = [
            decay * old + (1 - decay) * new.detach() for old, new in zip(mean, plain.model.parameters(), strict=True)
        ]
    assert same_weights(averaged.model, plain.model)
    with averaged.evaluation_weights():
        for ours, expected in zip(averaged.model.parameters(), mean, strict=True):
            assert torch.allclose(ours, expected, atol=1e-6)
        assert not same_weights(averaged.model, plain.model)
    assert same_weights(averaged.model, plain.model)
    with plain.evaluation_weights():
        assert same_weights(averaged.model, plain.model)


def test_dropout_is_drawn_by_seed_and_step() -> None:
    first, again, other = training(1), training(1), training(1, seed=6)
    assert same_weights(first.model, again.model)
    assert not same_weights(first.model, other.model)


def test_the_loss_falls_on_real_code_below_that_of_byte_frequencies(data: PreparedData) -> None:
    tokens = data.tokens("bytes", "train")
    plan = recipe(learning_rate=0.01, num_steps=150, batch_size=16, seq_length=32)
    made = Trainer(Decoder(tiny(), seed=0), tokens, plan, NUMERICS)
    first = made.advance(1)
    made.advance(129)
    last = made.advance(20)
    assert first == pytest.approx(5.545, abs=0.1)  # ln 256
    counts = torch.bincount(torch.from_numpy(tokens.astype("int64")), minlength=256).double()
    frequencies = counts[counts > 0] / counts.sum()
    assert last < float(-(frequencies * frequencies.log()).sum()) - 0.3


def test_the_mean_loss_is_that_of_the_steps() -> None:
    one_by_one = training()
    losses = [one_by_one.advance(1) for _ in range(6)]
    assert training().advance(6) == pytest.approx(sum(losses) / 6, rel=1e-12)


def test_the_rate_of_a_step_is_the_recipes() -> None:
    made = training(num_steps=10, warmup_steps=4)
    for step in range(10):
        made.advance(1)
        assert [group["lr"] for group in made._optimizer.param_groups] == [made.recipe.learning_rate_at(step)] * 2
    made = training(num_steps=10, warmup_steps=4)
    made.lr_scale = 0.25
    made.advance(1)
    assert [group["lr"] for group in made._optimizer.param_groups] == [made.recipe.learning_rate_at(0) / 4] * 2


@pytest.mark.parametrize("tied", [True, False])
def test_a_step_is_adamw_on_each_weight_by_itself(tied: bool) -> None:
    """Compare one vector of all weights with PyTorch's optimiser on separate ones; matrices decay, gains do not."""
    config = tiny(tie_embeddings=tied)
    ours = Trainer(Decoder(config, seed=1), random_tokens(600), recipe(weight_decay=0.5), NUMERICS)
    model = Decoder(config, seed=1)
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    gains = [weight for weight in model.parameters() if weight.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.5}, {"params": gains, "weight_decay": 0.0}], betas=(0.9, 0.95)
    )
    batches = Batches(random_tokens(600), 4, 16, seed=5)
    for step in range(3):
        for group in optimizer.param_groups:
            group["lr"] = recipe().learning_rate_at(step)
        loss = model.loss(*batches.at(step))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert ours.advance(1) == pytest.approx(loss.item(), rel=1e-5)
    for weight, expected in zip(ours.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-4, atol=1e-5)


HALF = NUMERICS.model_copy(update={"dtype": "bfloat16"})


def test_half_precision_keeps_its_masters_in_float32_and_learns_as_well() -> None:
    config = tiny(tie_embeddings=True, qk_norm=True)
    half = Trainer(Decoder(config, seed=1), random_tokens(600, vocab_size=9), recipe(num_steps=30), HALF)
    whole = Trainer(Decoder(config, seed=1), random_tokens(600, vocab_size=9), recipe(num_steps=30), NUMERICS)
    losses = [(half.advance(10), whole.advance(10)) for _ in range(3)]
    assert all(first == pytest.approx(second, rel=0.01) for first, second in losses)
    assert {weight.dtype for weight in half.model.parameters()} == {torch.float32}
    assert losses[-1][0] < losses[0][0]


def test_steps_too_small_for_half_precision_add_up() -> None:
    made = Trainer(Decoder(tiny(), seed=1), random_tokens(600), recipe(learning_rate=1e-6, weight_decay=0), HALF)
    before = made.model.embedding.weight.detach().clone()
    made.advance(12)
    moved = (made.model.embedding.weight - before).abs()
    assert 1e-6 < moved.max() < 1e-4


def test_half_precision_resumes_with_the_same_bits() -> None:
    config = tiny()

    def fresh() -> Trainer:
        return Trainer(Decoder(config, seed=1), random_tokens(600), recipe(), HALF)

    uninterrupted, stopped, resumed = fresh(), fresh(), fresh()
    uninterrupted.advance(12)
    stopped.advance(5)
    resumed.model.load_state_dict(stopped.model.state_dict())
    resumed.restore(5, stopped.state())
    resumed.advance(7)
    assert same_weights(resumed.model, uninterrupted.model)


def test_a_rate_that_blows_the_weights_up_diverges() -> None:
    with pytest.raises(Diverged, match=r"^the training loss is (nan|inf) by step \d+ of 12$"):
        training(12, learning_rate=1e30)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_too_little_memory_is_one_line(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match=r"^out of memory: ") as caught:
        raise_if_out_of_memory(error)
    assert "\n" not in str(caught.value)


def test_other_errors_are_not_reported_as_too_little_memory() -> None:
    raise_if_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    model = Decoder(tiny(vocab_size=10), seed=0)
    made = Trainer(model, random_tokens(600), recipe(), NUMERICS)  # ids beyond the vocabulary
    with pytest.raises((IndexError, RuntimeError), match="index"):
        made.advance(1)
