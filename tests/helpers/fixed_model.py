"""Models with the same logits at every position, whatever the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from nas.inference.language_model import BEST_WEIGHTS, TOKENIZER_FILE, LanguageModel
from nas.model import Decoder
from nas.tokenizer.vocabulary import Vocabulary, train_bpe
from nas.training.weights import save_weights
from tests.helpers.tiny_models import tiny

END = "\0"
BYTES: Vocabulary = train_bpe([], 256)


def fixed_model(logits: Mapping[str, float], max_seq_length: int = 300) -> LanguageModel:
    """Return a model of bytes with these logits at every position, and -100 for all other bytes."""
    model = Decoder(tiny(normalization="layernorm", max_seq_length=max_seq_length), seed=0)
    width = model.config.hidden_dim
    with torch.no_grad():
        model.norm.weight.zero_()
        model.norm.bias.fill_(1.0)
        model.output_weight.fill_(-100 / width)
        for character, logit in logits.items():
            model.output_weight[ord(character)] = logit / width
    return LanguageModel(model.eval(), BYTES)


def save(model: LanguageModel, folder: Path) -> Path:
    """Write the model as nas.train does and return its folder."""
    folder.mkdir()
    save_weights(model.model, folder / BEST_WEIGHTS)
    model.vocabulary.save(folder / TOKENIZER_FILE)
    return folder
