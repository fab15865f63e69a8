from __future__ import annotations

import pytest
import torch

from nas.audit.audited_model import AuditedModel
from nas.audit.decoding import check_cache
from nas.model import Decoder
from nas.model.cache import KeyValueCache
from tests.helpers.leaky_models import MAX_LENGTH, VOCAB_SIZE, PlainModel
from tests.helpers.tiny_models import tiny


def decoder(position: str) -> AuditedModel:
    config = tiny(num_layers=2, position_encoding=position, vocab_size=VOCAB_SIZE)
    return AuditedModel(Decoder(config, seed=0), VOCAB_SIZE, config.max_seq_length)


@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "alibi", "none"])
def test_our_own_cache_gives_the_logits_of_the_whole_sequence(position: str) -> None:
    finding = check_cache(decoder(position))
    assert finding.outcome == "passed"
    assert "24 tokens" in finding.method


def test_a_cache_that_is_off_by_one_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = KeyValueCache.extend

    def forgetful(self: KeyValueCache, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = whole(self, key, value)
        first = 1 if keys.shape[2] > 1 else 0
        return keys[:, :, first:], values[:, :, first:]

    monkeypatch.setattr(KeyValueCache, "extend", forgetful)
    finding = check_cache(decoder("none"))
    assert finding.outcome == "leak"
    assert "cache" in finding.advice


def test_a_cache_of_a_model_of_nan_is_not_checked() -> None:
    broken = decoder("none")
    torch.nn.init.constant_(broken.module.get_parameter("embedding.weight"), float("nan"))
    assert "not finite" in check_cache(broken).advice


def test_nan_from_the_cache_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = KeyValueCache.extend

    def unwritten(self: KeyValueCache, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = whole(self, key, value)
        return keys, values * float("nan")

    monkeypatch.setattr(KeyValueCache, "extend", unwritten)
    assert check_cache(decoder("none")).outcome == "leak"


def test_a_model_without_a_cache_is_not_checked() -> None:
    assert check_cache(AuditedModel(PlainModel(), VOCAB_SIZE, MAX_LENGTH)).outcome == "not checked"
