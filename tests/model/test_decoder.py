from __future__ import annotations

import math

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nas.architecture.config import CHOICES, ArchitectureConfig
from nas.model import Decoder
from tests.helpers.architectures import every_choice, tiny


def random_ids(config: ArchitectureConfig, rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(config.vocab_size, (rows, length), generator=torch.Generator().manual_seed(seed))


def test_later_tokens_do_not_move_earlier_logits(config: ArchitectureConfig) -> None:
    model = Decoder(config).double().eval()
    ids = random_ids(config, 2, 12)
    logits = model(ids)
    for cut in (1, 5, 11):
        changed = ids.clone()
        changed[:, cut:] = (changed[:, cut:] + 1) % config.vocab_size
        moved = model(changed)
        torch.testing.assert_close(moved[:, :cut], logits[:, :cut], rtol=0, atol=1e-12)
        assert (moved[:, cut] - logits[:, cut]).abs().max() > 1e-6


def test_gradients_flow_to_earlier_tokens_only(config: ArchitectureConfig) -> None:
    model = Decoder(config).double().eval()
    inputs: list[torch.Tensor] = []
    model.embedding.register_forward_hook(lambda module, args, output: inputs.append(output))
    model(random_ids(config, 1, 12))[0, 6].square().sum().backward(inputs=inputs)
    assert inputs[0].grad is not None
    reach = inputs[0].grad[0].abs().amax(dim=1)
    assert (reach[:7] > 0).all()
    assert (reach[7:] == 0).all()


def test_counts_by_formula_equal_built_parameters_and_measured_flops() -> None:
    ids = torch.zeros((1, 12), dtype=torch.int64)
    for config in every_choice():
        model = Decoder(config).eval()
        assert sum(p.numel() for p in model.parameters()) == config.num_params, config.describe()
        # Only the unfused attention shows its two products to the counter.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(ids)
        assert counter.get_total_flops() == 12 * config.forward_flops_per_token(), config.describe()


def test_all_parameters_receive_a_gradient() -> None:
    for config in every_choice():
        model = Decoder(config)
        ids = random_ids(config, 1, 9)
        model.loss(ids[:, :-1], ids[:, 1:]).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, f"{config.describe()}: {name}"


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("shape", [(1, 32, 256), (6, 128, 4096), (2, 512, 1024)])
@pytest.mark.parametrize("position", CHOICES["position_encoding"])
def test_the_first_loss_is_near_that_of_a_uniform_guess(position: str, shape: tuple[int, int, int], tied: bool) -> None:
    layers, hidden, vocab = shape
    config = tiny(
        num_layers=layers,
        hidden_dim=hidden,
        vocab_size=vocab,
        position_encoding=position,
        tie_embeddings=tied,
        max_seq_length=64,
    )
    ids = random_ids(config, 4, 65)
    with torch.inference_mode():
        loss = Decoder(config).loss(ids[:, :-1], ids[:, 1:]).item()
    assert abs(loss - math.log(vocab)) < 0.2


@pytest.mark.parametrize("name", ["activation", "normalization"])
def test_the_first_loss_is_near_a_uniform_guess_for_other_parts(name: str) -> None:
    for choice in CHOICES[name]:
        config = tiny(hidden_dim=64, vocab_size=512, max_seq_length=32, **{name: choice})
        ids = random_ids(config, 4, 33)
        with torch.inference_mode():
            loss = Decoder(config).loss(ids[:, :-1], ids[:, 1:]).item()
        assert abs(loss - math.log(512)) < 0.2


def test_one_seed_gives_one_set_of_weights_and_leaves_the_global_state_alone() -> None:
    config = tiny(position_encoding="learned")
    before = torch.get_rng_state()
    first, same, other = (Decoder(config, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_linears_start_at_one_over_root_fan_in_and_projections_smaller_by_depth() -> None:
    model = Decoder(tiny(num_layers=8, hidden_dim=128, ffn_multiplier=4))
    block = model.blocks[3]
    assert block.attention.qkv.weight.std().item() == pytest.approx(128**-0.5, rel=0.05)
    assert block.feed_forward.down.weight.std().item() == pytest.approx(0.1 * 512**-0.5 / 4, rel=0.05)
    assert block.attention.out.weight.std().item() == pytest.approx(0.1 * 128**-0.5 / 4, rel=0.05)


@pytest.mark.parametrize("kind", ["attention_dropout", "residual_dropout"])
def test_dropout_acts_in_training_only(kind: str) -> None:
    config = tiny(**{kind: 0.5})
    ids = random_ids(config, 2, 12)
    model, plain = Decoder(config), Decoder(tiny())
    assert torch.equal(model.eval()(ids), plain.eval()(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


def test_tied_models_share_one_matrix() -> None:
    tied = Decoder(tiny(tie_embeddings=True))
    assert tied.output_weight is tied.embedding.weight
    assert "head.weight" not in tied.state_dict()
    untied = Decoder(tiny())
    assert untied.output_weight is not untied.embedding.weight


def test_a_sequence_beyond_the_maximum_is_refused() -> None:
    for position in CHOICES["position_encoding"]:
        with pytest.raises(AssertionError, match="13 tokens, but max_seq_length is 12"):
            Decoder(tiny(position_encoding=position))(torch.zeros((1, 13), dtype=torch.int64))


def test_loss_with_and_without_gradients_is_the_same_number() -> None:
    config = tiny()
    model, ids = Decoder(config), random_ids(config, 3, 13)
    with torch.no_grad():
        quiet = model.loss(ids[:, :-1], ids[:, 1:])
    torch.testing.assert_close(model.loss(ids[:, :-1], ids[:, 1:]), quiet)


def test_gradients_in_bfloat16_point_where_those_in_float32_do(config: ArchitectureConfig) -> None:
    ids = random_ids(config, 2, 13)
    exact, half = Decoder(config), Decoder(config).bfloat16()
    exact_loss = exact.loss(ids[:, :-1], ids[:, 1:])
    half_loss = half.loss(ids[:, :-1], ids[:, 1:])
    assert half_loss.dtype == torch.float32
    assert half_loss.item() == pytest.approx(exact_loss.item(), abs=0.02)
    exact_loss.backward()
    half_loss.backward()
    for (name, a), b in zip(exact.named_parameters(), half.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        assert torch.cosine_similarity(a.grad.flatten(), b.grad.flatten().float(), dim=0) > 0.97, name


def test_a_short_training_learns_to_predict_from_the_past() -> None:
    config = tiny(hidden_dim=32, vocab_size=11)
    model = Decoder(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        start = torch.randint(11, (16, 1), generator=generator)
        ids = (start + torch.arange(13)) % 11
        loss = model.loss(ids[:, :-1], ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
