"""The audit on models of another library, random weights from a config: whole, and with one defect each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.audit.decoding import check_cache
from nas.audit.finding import Finding
from nas.audit.on_text import check_on_text
from nas.audit.opening import open_path
from nas.audit.subject import AuditedModel
from nas.audit.trained import check_shifts
from nas.errors import CheckpointError

VOCAB_SIZE, MAX_LENGTH = 48, 40
CAUSALITY = [check_future_tokens, check_gradients, check_probabilities]


def gpt2(attention: str = "sdpa") -> Any:
    config = GPT2Config(
        vocab_size=VOCAB_SIZE, n_positions=MAX_LENGTH, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0,
        attn_implementation=attention,
    )  # fmt: skip
    return seeded(lambda: GPT2LMHeadModel(config))


def llama(attention: str = "sdpa") -> Any:
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=MAX_LENGTH, bos_token_id=0, eos_token_id=0,
        attn_implementation=attention,
    )  # fmt: skip
    return seeded(lambda: LlamaForCausalLM(config))


def seeded(build: Callable[[], Any]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().eval()


FAMILIES = {"gpt2": gpt2, "llama": llama}


class Masked(nn.Module):
    """The model under a mask that lets each position read `ahead` tokens of the future."""

    def __init__(self, model: Any, ahead: int) -> None:
        super().__init__()
        self.model, self.ahead = model, ahead

    def forward(self, ids: Tensor) -> Any:
        length = ids.shape[1]
        dtype = next(self.model.parameters()).dtype
        banned = torch.ones(length, length, dtype=torch.bool).triu(diagonal=1 + self.ahead)
        mask = torch.zeros(length, length, dtype=dtype).masked_fill(banned, torch.finfo(dtype).min)
        return self.model(ids, attention_mask=mask.expand(len(ids), 1, length, length), use_cache=False)


class LastLayerReadsAll(nn.Module):
    """The attention of the last layer has no mask, that of all others their own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        attention = model.transformer.h[-1].attn if hasattr(model, "transformer") else model.model.layers[-1].self_attn
        attention.register_forward_pre_hook(_without_mask, with_kwargs=True)

    def forward(self, ids: Tensor) -> Any:
        return self.model(ids, use_cache=False)


def _without_mask(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A mask of zeros bans nothing; None would mean a causal one to scaled_dot_product_attention."""
    states = given[0] if given else named["hidden_states"]
    assert "attention_mask" in named
    return given, named | {"attention_mask": states.new_zeros(states.shape[1], states.shape[1])}


class ConvolutionAhead(nn.Module):
    """A depthwise convolution of three tokens over the embedded tokens, the last of them `ahead` of its place."""

    def __init__(self, model: Any, ahead: int) -> None:
        super().__init__()
        self.model, self.ahead = model, ahead
        hidden = model.get_input_embeddings().embedding_dim
        self.convolution = seeded(lambda: nn.Conv1d(hidden, hidden, 3, groups=hidden))

    def forward(self, ids: Tensor) -> Any:
        embedded = self.model.get_input_embeddings()(ids)
        padded = F.pad(embedded.transpose(1, 2), (2 - self.ahead, self.ahead))
        mixed = embedded + self.convolution(padded).transpose(1, 2)
        return self.model(inputs_embeds=mixed, use_cache=False)


class CacheOffByOne(nn.Module):
    """With a cache, positions are counted from one place further on than without."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, cache: Any = None, use_cache: bool = False) -> Any:
        start = 0 if cache is None else cache.get_seq_length()
        positions = torch.arange(start, start + ids.shape[1])[None] + (2 if start > 3 else 0)
        return self.model(ids, cache=cache, position_ids=positions, use_cache=use_cache)


def subject(module: nn.Module) -> AuditedModel:
    return AuditedModel(module, VOCAB_SIZE, MAX_LENGTH)


@pytest.mark.parametrize("check", [*CAUSALITY, check_cache])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_passes(check: Callable[[AuditedModel], Finding], family: str) -> None:
    assert check(subject(FAMILIES[family]())).verdict == "passed"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("ahead", [1, MAX_LENGTH])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_that_lets_the_future_through_is_caught(
    check: Callable[[AuditedModel], Finding], ahead: int, family: str
) -> None:
    assert check(subject(Masked(FAMILIES[family](), 0))).verdict == "passed"
    assert check(subject(Masked(FAMILIES[family](), ahead))).verdict == "leak"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_last_layer_that_reads_all_is_caught(
    check: Callable[[AuditedModel], Finding], attention: str, family: str
) -> None:
    model = FAMILIES[family](attention)
    assert check(subject(model)).verdict == "passed"
    assert check(subject(LastLayerReadsAll(model))).verdict == "leak"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_convolution_that_looks_ahead_by_one_is_caught(check: Callable[[AuditedModel], Finding], family: str) -> None:
    assert check(subject(ConvolutionAhead(FAMILIES[family](), 0))).verdict == "passed"
    assert check(subject(ConvolutionAhead(FAMILIES[family](), 1))).verdict == "leak"


def chain(count: int, seed: int) -> NDArray[np.int64]:
    """Tokens (count,) that each lead to one other, but for a tenth that are drawn."""
    after = np.random.default_rng(0).permutation(VOCAB_SIZE)
    rng = np.random.default_rng(seed)
    tokens = rng.integers(VOCAB_SIZE, size=count)
    for place in np.flatnonzero(rng.random(count - 1) < 0.9) + 1:
        tokens[place] = after[tokens[place - 1]]
    return tokens


LOSSES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "targets not shifted": lambda model, ids: F.cross_entropy(model(ids).logits.flatten(0, 1), ids.flatten()),
    "shifted by the library": lambda model, ids: model(ids, labels=ids).loss,
    "shifted before the library shifts": lambda model, ids: model(ids[:, :-1], labels=ids[:, 1:]).loss,
}


@pytest.mark.parametrize("shift", LOSSES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_trained_on_targets_of_the_wrong_shift_is_caught(family: str, shift: str) -> None:
    model = FAMILIES[family]().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # dropout
        for ids in torch.from_numpy(chain(150 * 8 * 32, seed=1)).view(150, 8, 32):
            LOSSES[shift](model, ids).backward()
            optimizer.step()
            optimizer.zero_grad()
    found = check_shifts(subject(model.eval()), chain(4000, seed=2))
    assert found.verdict == ("passed" if shift == "shifted by the library" else "leak"), found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_that_is_off_by_one_is_caught(family: str) -> None:
    found = check_cache(subject(CacheOffByOne(FAMILIES[family]())))
    assert found.verdict == "leak"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_weights_is_opened(tmp_path: Path, family: str) -> None:
    FAMILIES[family]().save_pretrained(tmp_path)
    opened = open_path(tmp_path)
    assert (opened.subject.vocab_size, opened.subject.max_length) == (VOCAB_SIZE, MAX_LENGTH)
    assert opened.encode is None
    assert check_probabilities(opened.subject).verdict == "passed"
    # Without a tokenizer the corpus is not even read.
    reasons = {one.check: one.advice for one in check_on_text(opened, "no/such/corpus")}
    assert reasons.pop("first loss") == "the model is trained: its first loss is past"
    assert reasons == dict.fromkeys(
        ["target shifts", "plausibility", "copied text"], "the model has no tokenizer beside it"
    )


def test_a_folder_that_holds_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be opened by transformers"):
        open_path(tmp_path)
