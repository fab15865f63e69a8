from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nas.data import PreparedData
from nas.errors import Diverged
from nas.model import Decoder
from nas.trial import bits_per_byte
from nas.trial.bits_per_byte import Likelihood, measure_likelihood

from .tiny import random_tokens, tiny


def slow_nats(model: Decoder, tokens: NDArray[Any], seq_length: int) -> list[float]:
    """Nats of each token, one forward pass a token, by the definition in the module's docstring."""
    precise = Decoder(model.config, seed=0).double().eval()
    precise.load_state_dict(model.state_dict())
    stream = [0, *tokens.tolist()]  # end-of-text stands before the text
    nats = []
    for index in range(len(tokens)):
        start = index // seq_length * seq_length
        with torch.no_grad():
            logits = precise(torch.tensor([stream[start : index + 1]]))[0, -1]
        nats.append(-float(torch.log_softmax(logits, dim=0)[stream[index + 1]]))
    return nats


def trained_like(seed: int = 0, **changes: Any) -> Decoder:
    """A model whose probabilities are far from uniform."""
    model = Decoder(tiny(**changes), seed=seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


@pytest.mark.parametrize("num_tokens", [1, 7, 15, 16, 17, 48, 53])
@pytest.mark.parametrize("position", ["rope", "learned", "alibi"])
def test_it_equals_one_token_at_a_time_in_float64(num_tokens: int, position: str) -> None:
    model = trained_like(position_encoding=position)
    tokens = random_tokens(num_tokens)
    found = measure_likelihood(model, tokens, eot_id=0, num_bytes=100, seq_length=16)
    expected = slow_nats(model, tokens, 16)
    assert found.nats == pytest.approx(sum(expected), rel=1e-5)
    assert found.num_tokens == num_tokens
    assert found.bpb == pytest.approx(sum(expected) / math.log(2) / 100, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(sum(expected) / num_tokens), rel=1e-4)


@pytest.mark.parametrize("at_once", [1, 16 * 256, 3 * 16 * 256, 1 << 23])
def test_the_rows_taken_at_once_make_no_difference(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    model, tokens = trained_like(), random_tokens(16 * 7 + 5)
    expected = measure_likelihood(model, tokens, 0, 100, 16).nats
    monkeypatch.setattr(bits_per_byte, "_LOGITS_AT_ONCE", at_once)
    assert measure_likelihood(model, tokens, 0, 100, 16).nats == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("num_tokens", [16, 40, 47])
def test_every_token_is_scored_exactly_once(num_tokens: int) -> None:
    """A model that gives each token its own cost, whatever stands before it, pays the sum of the costs."""
    model = Decoder(tiny(), seed=0)
    costs = torch.linspace(-3, 3, 256)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        # Every state is the same vector: the output matrix alone decides.
        model.norm.weight.fill_(1.0)
        model.embedding.weight.fill_(1.0)
        assert model.head is not None
        model.head.weight[:, 0] = costs
    state = float(model.hidden(torch.tensor([[0]])).detach()[0, 0, 0])
    nats = -torch.log_softmax(state * costs.double(), dim=0)
    tokens = random_tokens(num_tokens, seed=4)
    expected = float(nats[torch.from_numpy(tokens.astype(np.int64))].sum())
    assert measure_likelihood(model, tokens, 0, 1, 16).nats == pytest.approx(expected, rel=1e-5)


def test_a_uniform_model_costs_log2_of_its_vocabulary_a_token(data: PreparedData) -> None:
    for name, size in data.vocabulary_sizes.items():
        model = Decoder(tiny(vocab_size=size, tie_embeddings=False), seed=0)
        assert model.head is not None
        torch.nn.init.zeros_(model.head.weight)
        documents = data.evaluation_documents("validation", 4096)
        num_bytes = len(data.evaluation_bytes("validation", 4096))
        tokens = data.vocabulary(name).encode_documents(documents)
        found = measure_likelihood(model, tokens, 0, num_bytes, 64)
        assert found.bpb == pytest.approx(math.log2(size) * len(tokens) / num_bytes, rel=1e-6)


def test_all_vocabularies_are_judged_on_the_same_bytes(data: PreparedData) -> None:
    documents = data.evaluation_documents("holdout", 8192)
    expected = b"".join(one.encode() + b"\0" for one in documents)
    assert data.vocabulary("bytes").name != data.vocabulary("bpe-512").name
    for name in data.vocabulary_names:
        vocabulary = data.vocabulary(name)
        assert vocabulary.decode(vocabulary.encode_documents(documents)) == expected


def test_bits_per_byte_and_perplexity_by_hand() -> None:
    likelihood = Likelihood(nats=10 * math.log(2), num_tokens=5, num_bytes=20)
    assert likelihood.bpb == pytest.approx(0.5)
    assert likelihood.perplexity == pytest.approx(4.0)
    assert math.isfinite(Likelihood(nats=1e9, num_tokens=1, num_bytes=1).perplexity)


@pytest.mark.parametrize("is_training", [True, False])
def test_dropout_is_off_and_the_model_is_left_in_its_mode(is_training: bool) -> None:
    model = trained_like(attention_dropout=0.5, residual_dropout=0.5).train(is_training)
    tokens = random_tokens(40)
    assert measure_likelihood(model, tokens, 0, 1, 16) == measure_likelihood(model, tokens, 0, 1, 16)
    assert model.training is is_training


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_have_no_likelihood(value: float) -> None:
    model = Decoder(tiny(), seed=0)
    with torch.no_grad():
        model.norm.weight.fill_(value)
    with pytest.raises(Diverged, match="the likelihood of the text is nan"):
        measure_likelihood(model, random_tokens(20), 0, 20, 16)


MEMORY_OF_MANY_WINDOWS = """
import resource
import numpy as np
import torch
from nas.trial.allocator import keep_freed_memory
from nas.trial.bits_per_byte import window_nats
keep_freed_memory()
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
before, tokens = peak_mb(), np.zeros(256 * 2 * 40, dtype=np.uint16)
window_nats(lambda ids: torch.ones(*ids.shape, 16384), tokens, 0, 256, 16384, torch.device("cpu"))
print(peak_mb() - before)
"""


def test_memory_does_not_grow_with_the_number_of_windows() -> None:
    ran = subprocess.run([sys.executable, "-c", MEMORY_OF_MANY_WINDOWS], capture_output=True, check=True)
    # Forty times the logits of 2^23 numbers would be 1,340 MB.
    assert int(ran.stdout) < 300
