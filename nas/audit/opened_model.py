"""The models an audit can open: an arch JSON, a checkpoint, a folder of transformers, any factory."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nas.architecture.config import ArchitectureConfig, read_arch_json
from nas.audit.audited_model import AuditedModel
from nas.errors import CheckpointError, UsageError
from nas.inference.language_model import LanguageModel
from nas.model import Decoder
from nas.tokenizer.vocabulary import Vocabulary

Encode = Callable[[Sequence[str]], NDArray[np.integer]]


@dataclass(frozen=True)
class OpenedModel:
    """A model to audit, with its tokenizer if it has one."""

    model: AuditedModel
    name: str
    is_trained: bool
    encode: Encode | None = None
    """Maps documents to one stream of token ids, each document ended; None without a tokenizer."""
    eot_id: int = 0


def open_path(path: Path) -> OpenedModel:
    """Open a file or a folder by its content; raise UsageError or CheckpointError if it is not a model."""
    if path.suffix == ".json":
        return _open_arch_json(path)
    if path.is_dir() and (path / "config.json").exists():
        return _open_transformers(path)
    if not path.exists():
        raise UsageError(f"nothing at {path}; give an arch JSON, a checkpoint of nas.train or a folder of transformers")
    language_model = LanguageModel.load(path)
    vocabulary = language_model.vocabulary
    return OpenedModel(
        _audited(language_model.model),
        f"{path}: {language_model.model.config.describe()}",
        True,
        vocabulary.encode_documents,
        vocabulary.eot_id,
    )


def open_factory(name: str, vocab_size: int, max_length: int) -> OpenedModel:
    """Call `package.module:factory` for an nn.Module; the current folder is on the import path."""
    module_name, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        module: Any = getattr(importlib.import_module(module_name), attribute)()
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"--model {name} cannot be imported as package.module:factory: {error}") from None
    finally:
        sys.path.remove("")
    if not isinstance(module, nn.Module):
        raise UsageError(f"--model {name} must return a torch.nn.Module, found {type(module).__name__}")
    return OpenedModel(AuditedModel(module.eval(), vocab_size, max_length), name, is_trained=False)


def _audited(model: Decoder) -> AuditedModel:
    return AuditedModel(model.eval(), model.config.vocab_size, model.config.max_seq_length)


def _open_arch_json(path: Path) -> OpenedModel:
    """Open an architecture with untrained weights, and its tokenizer if it names a file that exists."""
    config = ArchitectureConfig.load(path)
    model, name = _audited(Decoder(config, seed=0)), f"{path}: {config.describe()}, untrained weights"
    tokenizer = path.parent / str(read_arch_json(path).get("tokenizer", ""))
    if not tokenizer.is_file():
        return OpenedModel(model, name, is_trained=False)
    vocabulary = Vocabulary.load(tokenizer)
    if vocabulary.size != config.vocab_size:
        raise CheckpointError(
            f"{path} has a vocabulary of {config.vocab_size}, its tokenizer {tokenizer} one of {vocabulary.size}"
        )
    return OpenedModel(model, name, False, vocabulary.encode_documents, vocabulary.eot_id)


def _open_transformers(folder: Path) -> OpenedModel:
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise UsageError(f"{folder} is a transformers model; pip install 'codenas[transformers]' to open it") from None
    try:
        module: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{folder} cannot be opened by transformers ({str(error).splitlines()[0]})") from None
    limit = int(getattr(module.config, "max_position_embeddings", 0) or 1024)
    model = AuditedModel(module.eval(), int(module.config.vocab_size), limit)
    name = f"{folder}: {type(module).__name__}"
    if not any((folder / file).exists() for file in ("tokenizer.json", "tokenizer_config.json")):
        return OpenedModel(model, name, is_trained=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    eot_id = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else 0

    def encode(texts: Sequence[str]) -> NDArray[np.integer]:
        streams = [[*tokenizer(text, add_special_tokens=False)["input_ids"], eot_id] for text in texts]
        return np.concatenate([np.array(stream, dtype=np.int64) for stream in streams])

    return OpenedModel(model, name, True, encode, eot_id)
