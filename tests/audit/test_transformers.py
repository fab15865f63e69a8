"""The audit of models of another library with random weights: correct, and with one defect each."""

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

from nas.audit.audited_model import AuditedModel
from nas.audit.causality import check_future_tokens, check_gradients, check_probabilities
from nas.audit.decoding import check_cache
from nas.audit.finding import Finding
from nas.audit.opened_model import open_path
from nas.audit.plausibility import check_shifts
from nas.audit.text_checks import check_with_text
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
    """Pass a mask of zeros, which masks nothing; None would mean a causal mask to PyTorch."""
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
    """A model that counts positions one place further on with a cache than without."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, cache: Any = None, use_cache: bool = False) -> Any:
        start = 0 if cache is None else cache.get_seq_length()
        positions = torch.arange(start, start + ids.shape[1])[None] + (2 if start > 3 else 0)
        return self.model(ids, cache=cache, position_ids=positions, use_cache=use_cache)


def audited(module: nn.Module) -> AuditedModel:
    return AuditedModel(module, VOCAB_SIZE, MAX_LENGTH)


@pytest.mark.parametrize("check", [*CAUSALITY, check_cache])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_correct_model_passes(check: Callable[[AuditedModel], Finding], family: str) -> None:
    assert check(audited(FAMILIES[family]())).outcome == "passed"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("ahead", [1, MAX_LENGTH])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_that_lets_the_future_through_is_caught(
    check: Callable[[AuditedModel], Finding], ahead: int, family: str
) -> None:
    assert check(audited(Masked(FAMILIES[family](), 0))).outcome == "passed"
    assert check(audited(Masked(FAMILIES[family](), ahead))).outcome == "leak"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_last_layer_that_reads_all_is_caught(
    check: Callable[[AuditedModel], Finding], attention: str, family: str
) -> None:
    model = FAMILIES[family](attention)
    assert check(audited(model)).outcome == "passed"
    assert check(audited(LastLayerReadsAll(model))).outcome == "leak"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_convolution_that_looks_ahead_by_one_is_caught(check: Callable[[AuditedModel], Finding], family: str) -> None:
    assert check(audited(ConvolutionAhead(FAMILIES[family](), 0))).outcome == "passed"
    assert check(audited(ConvolutionAhead(FAMILIES[family](), 1))).outcome == "leak"


def chain(count: int, seed: int) -> NDArray[np.int64]:
    """Return tokens (count,) that each have one successor, except for a tenth that are drawn."""
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
    finding = check_shifts(audited(model.eval()), chain(4000, seed=2))
    assert finding.outcome == ("passed" if shift == "shifted by the library" else "leak"), finding


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_that_is_off_by_one_is_caught(family: str) -> None:
    finding = check_cache(audited(CacheOffByOne(FAMILIES[family]())))
    assert finding.outcome == "leak"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_weights_is_opened(tmp_path: Path, family: str) -> None:
    FAMILIES[family]().save_pretrained(tmp_path)
    opened = open_path(tmp_path)
    assert (opened.model.vocab_size, opened.model.max_length) == (VOCAB_SIZE, MAX_LENGTH)
    assert opened.encode is None
    assert check_probabilities(opened.model).outcome == "passed"
    # Without a tokenizer the corpus is not even read.
    reasons = {finding.check: finding.advice for finding in check_with_text(opened, "no/such/corpus")}
    assert "trained" in reasons.pop("first loss")
    assert reasons.keys() == {"target shifts", "plausibility", "copied text"}
    assert all("no tokenizer" in reason for reason in reasons.values())


def test_a_folder_that_holds_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be opened by transformers"):
        open_path(tmp_path)
