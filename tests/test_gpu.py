"""Checks that a CUDA device computes what the CPU does; skipped where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.errors import OutOfMemory
from nas.inference.bits_per_byte import token_nats
from nas.model import GREEDY, Decoder, generate
from nas.model.cross_entropy import SoftTargets, linear_cross_entropy
from nas.search import __main__ as search
from nas.training.numerics import Numerics, plan_numerics
from nas.training.trainer import Trainer
from tests.helpers.study_commands import ran
from tests.helpers.tiny_models import SEQ_LENGTH, random_tokens, recipe, tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

POSITIONS = ("rope", "learned", "sinusoidal", "alibi", "none")
SHAPES: list[dict[str, Any]] = [
    *({"position_encoding": position} for position in POSITIONS),
    {"num_heads": 4, "num_kv_heads": 2, "qk_norm": True},
    {"activation": "geglu", "normalization": "layernorm", "tie_embeddings": True},
]


def on_gpu(dtype: str = "bfloat16", *, compiled: bool = False) -> Numerics:
    planned = plan_numerics("cuda", threads=1, compiled=compiled)
    return Numerics.model_validate({**planned.model_dump(), "dtype": dtype})


def on_cpu() -> Numerics:
    return on_gpu("float32").model_copy(update={"device": "cpu"})


def losses(numerics: Numerics, num_steps: int = 40, *, use_cuda_graphs: bool = True, **changes: Any) -> list[float]:
    numerics.apply()
    model = Decoder(tiny(**changes), seed=1)
    tokens = random_tokens(4000, vocab_size=16)  # of 256: there is something to learn
    training = Trainer(
        model, tokens, recipe(num_steps=num_steps, batch_size=8), numerics, use_cuda_graphs=use_cuda_graphs
    )
    return training.step_losses(num_steps)


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_float32_trains_as_on_the_cpu(changes: dict[str, Any]) -> None:
    assert losses(on_gpu("float32"), **changes) == pytest.approx(losses(on_cpu(), **changes), abs=2e-3)


# Some versions of the compiler give warnings of their own.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("changes", [{}, {"position_encoding": "alibi"}], ids=str)
def test_bfloat16_learns_as_well(changes: dict[str, Any], compiled: bool) -> None:
    rounded, exact = losses(on_gpu(compiled=compiled), **changes), losses(on_cpu(), **changes)
    assert exact[-1] < 0.7 * exact[0]
    assert rounded[-1] == pytest.approx(exact[-1], rel=0.03)


@pytest.mark.parametrize("changes", SHAPES, ids=str)
def test_likelihood_and_greedy_text_are_those_of_the_cpu(changes: dict[str, Any]) -> None:
    on_gpu().apply()
    tokens = random_tokens(1000)
    prompts = [random_tokens(length, seed=length).tolist() for length in (3, 7, 7, 20)]
    results = []
    for device in ("cpu", "cuda"):
        model = Decoder(tiny(**changes), seed=3).to(device)
        nats = token_nats(model, tokens, 0, SEQ_LENGTH)
        made = generate(
            model,
            prompts,
            GREEDY,
            uniforms=None,
            token_bytes=torch.ones(256, dtype=torch.int64),
            byte_limit=30,
            eot_id=0,
        )
        results.append((nats, made))
    (expected, text), (nats, same) = results
    assert abs(nats - expected).max() < 1e-4
    assert same == text


@pytest.mark.parametrize("vocab_size", [300, 300_000], ids=["one chunk", "many"])
def test_the_cross_entropy_of_large_chunks_is_that_of_small_ones(vocab_size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(700, 8, generator=generator), torch.randn(vocab_size, 8, generator=generator)
    targets = torch.randint(vocab_size, (700,), generator=generator)
    soft_targets = SoftTargets(torch.randint(vocab_size, (700, 1), generator=generator), torch.ones(700, 1), 0.3, 2.0)
    results = []
    for device in ("cpu", "cuda"):
        inputs = [tensor.to(device).requires_grad_() for tensor in (hidden, weight)]
        moved = soft_targets._replace(
            tokens=soft_targets.tokens.to(device), probabilities=soft_targets.probabilities.to(device)
        )
        loss = linear_cross_entropy(*inputs, targets.to(device), 0.1, moved)
        results.append([loss.detach(), *torch.autograd.grad(loss, inputs)])
    for ours, expected in zip(results[1], results[0], strict=True):
        assert torch.allclose(ours.cpu(), expected, rtol=1e-3, atol=1e-6)


def test_a_step_in_a_cuda_graph_draws_the_dropout_of_an_eager_one() -> None:
    dropout = {"residual_dropout": 0.2, "attention_dropout": 0.2}
    recorded = losses(on_gpu("float32"), **dropout)
    assert recorded == pytest.approx(losses(on_gpu("float32"), use_cuda_graphs=False, **dropout), abs=2e-3)
    assert recorded != pytest.approx(losses(on_gpu("float32")), abs=2e-2)


def test_a_model_too_large_for_the_device_raises_out_of_memory() -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-3)
    try:
        with pytest.raises(OutOfMemory, match=r"^out of memory: "):
            losses(on_gpu(), num_steps=2, num_layers=4, hidden_dim=1024)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_training_resumes_from_its_state() -> None:
    """Check that losses are close; bits differ, as sums on a GPU have no fixed order."""
    numerics, tokens = on_gpu(), random_tokens(4000, vocab_size=16)
    whole = Trainer(Decoder(tiny(), seed=1), tokens, recipe(num_steps=20), numerics)
    expected = whole.step_losses(20)[10:]
    first = Trainer(Decoder(tiny(), seed=1), tokens, recipe(num_steps=20), numerics)
    first.step_losses(10)
    second = Trainer(Decoder(tiny(), seed=2), tokens, recipe(num_steps=20), numerics)
    second.model.load_state_dict(first.model.state_dict())
    second.restore(10, first.state())
    assert second.step_losses(10) == pytest.approx(expected, abs=0.02)


def test_a_search_runs_on_the_device(tmp_path: Path, corpus_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ["--space", "tiny", "--corpus", str(corpus_folder), "--out", str(tmp_path), "--budget", "2", "--json"]
    ended = ran(search.main, "nas.search", [*flags, "--device", "cuda", "--workers", "2"], capfd)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["complete"] == 2
    study = json.loads((tmp_path / "tiny" / "study.json").read_text(encoding="utf-8"))
    assert study["identity"]["numerics"]["device"] == "cuda"
