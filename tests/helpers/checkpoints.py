"""Checkpoints for the tests of exports, in which a mistake in any weight changes the logits."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.architecture.config import ArchitectureConfig
from nas.inference.language_model import BEST_WEIGHTS, TOKENIZER_FILE, LanguageModel
from nas.model import GREEDY, Decoder, generate
from nas.tokenizer.vocabulary import Vocabulary, train_bpe
from nas.training.weights import save_weights
from tests.helpers.texts import TEXTS

SEQ_LENGTH = 48
# One architecture for each class.
BY_CLASS: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": {"activation": "swiglu", "num_kv_heads": 2, "tie_embeddings": True},
    "Qwen3ForCausalLM": {"activation": "geglu", "num_kv_heads": 1, "qk_norm": True},
    "ArceeForCausalLM": {"activation": "relu2"},
    "ApertusForCausalLM": {"activation": "silu", "qk_norm": True, "num_kv_heads": 2},
    "SmolLM3ForCausalLM": {"activation": "swiglu", "position_encoding": "none"},
    "Starcoder2ForCausalLM": {"activation": "gelu", "normalization": "layernorm", "tie_embeddings": True},
    "StableLmForCausalLM": {"activation": "geglu", "normalization": "layernorm", "num_kv_heads": 2},
    "GPT2LMHeadModel": {"normalization": "layernorm", "position_encoding": "learned", "tie_embeddings": True},
    "GPTBigCodeForCausalLM": {"normalization": "layernorm", "position_encoding": "sinusoidal", "num_kv_heads": 1},
}


@cache
def vocabulary(size: int = 400) -> Vocabulary:
    return train_bpe(TEXTS, size)


def architecture(**changes: Any) -> ArchitectureConfig:
    values: dict[str, Any] = {
        "num_layers": 2,
        "hidden_dim": 32,
        "num_heads": 4,
        "ffn_multiplier": 2.5,
        "vocab_size": 400,
        "max_seq_length": SEQ_LENGTH,
    }
    return ArchitectureConfig(**values | changes)


def perturbed_decoder(config: ArchitectureConfig, seed: int = 0) -> Decoder:
    """Return a decoder whose norms are neither one nor zero and whose branches are as large as the residual stream."""
    model = Decoder(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1:
                weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
            elif name.endswith(("out.weight", "down.weight")):
                weight.mul_(10)
    return model.eval()


def language_model(**changes: Any) -> LanguageModel:
    return LanguageModel(perturbed_decoder(architecture(**changes)), vocabulary())


def write_checkpoint(folder: Path, **changes: Any) -> LanguageModel:
    """Write best weights and tokenizer as nas.train does."""
    folder.mkdir(parents=True, exist_ok=True)
    written = language_model(**changes)
    save_weights(written.model, folder / BEST_WEIGHTS)
    written.vocabulary.save(folder / TOKENIZER_FILE)
    return written


def random_ids(config: ArchitectureConfig, rows: int = 2) -> Tensor:
    """Return random token ids, (rows, max_seq_length)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(config.vocab_size, (rows, config.max_seq_length), generator=generator)


def greedy_ids(language_model: LanguageModel, prompt: str, count: int) -> list[int]:
    """Return the greedy continuation by our own generation, up to an end of text or `count` tokens."""
    ids = language_model.vocabulary.encode(prompt)
    (new_ids,) = generate(
        language_model.model,
        [ids],
        GREEDY,
        uniforms=None,
        token_bytes=torch.zeros(language_model.vocabulary.size, dtype=torch.int64),
        byte_limit=1,
        eot_id=language_model.vocabulary.eot_id,
        max_length=len(ids) + count,
    )
    return new_ids
