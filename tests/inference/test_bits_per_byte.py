from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nas.corpus.novel_lines import novel_bytes
from nas.data.prepared import PreparedData
from nas.errors import Diverged
from nas.inference import bits_per_byte
from nas.inference.bits_per_byte import Likelihood, masked_nats, measure_likelihood, measure_with_novel
from nas.model import Decoder
from nas.tokenizer.vocabulary import Vocabulary, train_bpe
from tests.helpers.tiny_models import random_tokens, tiny


def slow_nats(model: Decoder, tokens: NDArray[Any], seq_length: int) -> list[float]:
    """Return the nats of each token by definition, with one forward pass per token."""
    precise = Decoder(model.config, seed=0).double().eval()
    precise.load_state_dict(model.state_dict())
    stream = [0, *tokens.tolist()]  # the text begins after an end-of-text token
    nats = []
    for index in range(len(tokens)):
        start = index // seq_length * seq_length
        with torch.no_grad():
            logits = precise(torch.tensor([stream[start : index + 1]]))[0, -1]
        nats.append(-float(torch.log_softmax(logits, dim=0)[stream[index + 1]]))
    return nats


def trained_like(seed: int = 0, **changes: Any) -> Decoder:
    """Return a model whose probabilities are far from uniform."""
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
    likelihood = measure_likelihood(model, tokens, eot_id=0, num_bytes=100, seq_length=16)
    expected = slow_nats(model, tokens, 16)
    assert likelihood.nats == pytest.approx(sum(expected), rel=1e-5)
    assert likelihood.num_tokens == num_tokens
    assert likelihood.bpb == pytest.approx(sum(expected) / math.log(2) / 100, rel=1e-5)
    assert likelihood.perplexity == pytest.approx(math.exp(sum(expected) / num_tokens), rel=1e-4)


@pytest.mark.parametrize("at_once", [1, 16 * 256, 3 * 16 * 256, 1 << 23])
def test_the_number_of_rows_at_once_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    model, tokens = trained_like(), random_tokens(16 * 7 + 5)
    expected = measure_likelihood(model, tokens, 0, 100, 16).nats
    monkeypatch.setattr(bits_per_byte, "_LOGITS_AT_ONCE", at_once)
    assert measure_likelihood(model, tokens, 0, 100, 16).nats == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("num_tokens", [16, 40, 47])
def test_every_token_is_scored_exactly_once(num_tokens: int) -> None:
    """Check that a model with a fixed cost per token, independent of context, pays the sum of the costs."""
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
        likelihood = measure_likelihood(model, tokens, 0, num_bytes, 64)
        assert likelihood.bpb == pytest.approx(math.log2(size) * len(tokens) / num_bytes, rel=1e-6)


def test_all_vocabularies_are_measured_on_the_same_bytes(data: PreparedData) -> None:
    documents = data.evaluation_documents("holdout", 8192)
    expected = b"".join(document.encode() + b"\0" for document in documents)
    assert data.vocabulary("bytes").name != data.vocabulary("bpe-512").name
    for name in data.vocabulary_names:
        vocabulary = data.vocabulary(name)
        assert vocabulary.decode(vocabulary.encode_documents(documents)) == expected


def test_bits_per_byte_and_perplexity_by_hand() -> None:
    likelihood = Likelihood(nats=10 * math.log(2), num_tokens=5, num_bytes=20)
    assert likelihood.bpb == pytest.approx(0.5)
    assert likelihood.perplexity == pytest.approx(4.0)
    assert math.isfinite(Likelihood(nats=1e9, num_tokens=1, num_bytes=1).perplexity)


def test_nats_on_the_bytes_of_one_line_by_hand() -> None:
    # Lines of 4, 3 and 2 bytes, then the NUL; the second line is novel, and a token begins before it.
    mask = np.array([0, 0, 0, 0, 1, 1, 1, 0, 0, 0], dtype=np.bool_)
    nats, token_bytes = np.array([1.0, 3.0, 4.0, 6.0]), np.array([2, 3, 2, 3])
    # The second token has 1 of its 3 bytes there, the third both.
    assert masked_nats(mask, nats, token_bytes) == pytest.approx(1.0 + 4.0)
    assert masked_nats(~mask, nats, token_bytes) == pytest.approx(1.0 + 2.0 + 6.0)
    assert masked_nats(np.zeros(10, dtype=np.bool_), nats, token_bytes) == 0
    with pytest.raises(AssertionError, match="the same bytes"):
        masked_nats(mask[1:], nats, token_bytes)


def test_novel_bits_per_byte_by_hand() -> None:
    likelihood = Likelihood(nats=9.0, num_tokens=5, num_bytes=20, novel_nats=6 * math.log(2), novel_num_bytes=4)
    assert likelihood.novel_bpb == pytest.approx(1.5)
    assert Likelihood(nats=9.0, num_tokens=5, num_bytes=20).novel_bpb is None


def uniform(vocabulary: Vocabulary) -> Decoder:
    model = Decoder(tiny(vocab_size=vocabulary.size, tie_embeddings=False), seed=0)
    assert model.head is not None
    torch.nn.init.zeros_(model.head.weight)
    return model


def test_a_token_that_straddles_the_end_of_a_line_gives_each_line_its_part() -> None:
    seen, novel = "def copied_function():", "    return something_new(1)"
    text = f"{seen}\n{novel}\n"
    vocabulary = train_bpe([text] * 4, 300)
    tokens = vocabulary.encode_documents([text])
    pieces = [vocabulary.token_bytes[token] for token in tokens]
    (straddling,) = (piece for piece in pieces if b"\n " in piece)
    assert (straddling, pieces[-1]) == (b"\n   ", b"\0")  # the space before a word is the word's
    likelihood = measure_with_novel(uniform(vocabulary), vocabulary, tokens, novel_bytes([text], {seen}))
    assert (likelihood.num_bytes, likelihood.novel_num_bytes) == (23 + 28 + 1, 28)
    num_after = len(pieces) - pieces.index(straddling) - 2  # without the NUL
    assert likelihood.novel_bpb == pytest.approx(math.log2(vocabulary.size) * (3 / 4 + num_after) / 28, rel=1e-5)


@pytest.mark.parametrize("ending", ["\n", ""])
def test_vocabularies_of_one_text_are_measured_on_the_same_novel_bytes(data: PreparedData, ending: str) -> None:
    copied = "copied = everywhere()"
    first = f"# \u8a9e\u8a9e \u00e9 a line that is new\nx = 1\n    {copied}\n  {copied}\n"
    texts = [first, f"\tnew = {'y' * 20}{ending}"]
    mask = novel_bytes(texts, {copied})
    for name, size in data.vocabulary_sizes.items():
        vocabulary = data.vocabulary(name)
        tokens = vocabulary.encode_documents(texts)
        likelihood = measure_with_novel(uniform(vocabulary), vocabulary, tokens, mask)
        assert (likelihood.num_bytes, likelihood.novel_num_bytes) == (len(mask), int(mask.sum()))
        shares = [1 / len(piece) for piece in map(vocabulary.token_bytes.__getitem__, tokens) for _ in piece]
        on_novel = sum(share for share, is_novel in zip(shares, mask, strict=True) if is_novel)
        assert likelihood.novel_bpb == pytest.approx(math.log2(size) * on_novel / mask.sum(), rel=1e-5)
        if name == "bytes":
            assert likelihood.novel_bpb == pytest.approx(8.0, rel=1e-5)


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
    with pytest.raises(Diverged, match=r"likelihood .* is nan"):
        measure_likelihood(model, random_tokens(20), 0, 20, 16)


MEMORY_OF_MANY_WINDOWS = """
import resource
import numpy as np
import torch
from nas.training.allocator import keep_freed_memory
from nas.inference.bits_per_byte import window_nats
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
