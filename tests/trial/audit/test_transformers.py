"""The audit on models of another library, random weights from a config: whole, and with one defect each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from nas.errors import CheckpointError
from nas.trial.audit import (
    Finding,
    Subject,
    check_cache,
    check_future_tokens,
    check_gradients,
    check_probabilities,
)
from nas.trial.audit.opening import open_path

VOCAB_SIZE, MAX_LENGTH = 48, 40
CAUSALITY = [check_future_tokens, check_gradients, check_probabilities]


def gpt2() -> Any:
    config = GPT2Config(
        vocab_size=VOCAB_SIZE, n_positions=MAX_LENGTH, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    return seeded(lambda: GPT2LMHeadModel(config))


def llama() -> Any:
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=MAX_LENGTH, bos_token_id=0, eos_token_id=0,
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
    """The last layer's states get the mean over all positions."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        norm = model.transformer.ln_f if hasattr(model, "transformer") else model.model.norm
        norm.register_forward_hook(lambda module, given, output: output + 0.1 * output.mean(dim=1, keepdim=True))

    def forward(self, ids: Tensor) -> Any:
        return self.model(ids, use_cache=False)


class CacheOffByOne(nn.Module):
    """With a cache, positions are counted from one place further on than without."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, cache: Any = None, use_cache: bool = False) -> Any:
        start = 0 if cache is None else cache.get_seq_length()
        positions = torch.arange(start, start + ids.shape[1])[None] + (2 if start > 3 else 0)
        return self.model(ids, cache=cache, position_ids=positions, use_cache=use_cache)


def subject(module: nn.Module) -> Subject:
    return Subject(module, VOCAB_SIZE, MAX_LENGTH)


@pytest.mark.parametrize("check", [*CAUSALITY, check_cache])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_passes(check: Callable[[Subject], Finding], family: str) -> None:
    assert check(subject(FAMILIES[family]())).verdict == "passed"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("ahead", [1, MAX_LENGTH])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_that_lets_the_future_through_is_caught(
    check: Callable[[Subject], Finding], ahead: int, family: str
) -> None:
    assert check(subject(Masked(FAMILIES[family](), 0))).verdict == "passed"
    assert check(subject(Masked(FAMILIES[family](), ahead))).verdict == "leak"


@pytest.mark.parametrize("check", CAUSALITY)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_last_layer_that_reads_all_is_caught(check: Callable[[Subject], Finding], family: str) -> None:
    assert check(subject(LastLayerReadsAll(FAMILIES[family]()))).verdict == "leak"


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


def test_a_folder_that_holds_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be opened by transformers"):
        open_path(tmp_path)
