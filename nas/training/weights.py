"""A model's weights on disk: safetensors with the architecture in the header, so that a file describes itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nas.architecture.config import ArchitectureConfig
from nas.errors import ArchitectureError, CheckpointError
from nas.model import Decoder
from nas.system.files import write_atomically

_HASH = "sha256"


def save_weights(model: Decoder, path: Path) -> None:
    """Write the weights of `model` atomically; raise CheckpointError when they cannot be written."""
    write_weights(model.config, model.state_dict(), path)


def write_weights(config: ArchitectureConfig, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write the tensors, by name, of a model of `config` as `save_weights` does."""
    write_tensors(tensors, {"architecture": config.model_dump_json()}, path)


def load_weights(path: Path) -> Decoder:
    """Build the model in a file, on the CPU; raise CheckpointError when it is missing, damaged or does not fit."""
    tensors, header = read_tensors(path)
    try:
        model = Decoder(ArchitectureConfig.parse(json.loads(header["architecture"])), seed=0)
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ArchitectureError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of codenas ({_first_line(error)}); use another checkpoint"
        ) from None
    return model


def write_tensors(tensors: Mapping[str, torch.Tensor], header: Mapping[str, str], path: Path) -> None:
    """Write a safetensors file atomically, with the hash of its tensors in the header; they are copied to the CPU.

    Raise CheckpointError when it cannot be written.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {"format": "pt", **header, _HASH: _hash_of(plain)}
    try:
        write_atomically(path, lambda temporary: save_file(plain, temporary, metadata=metadata), durable=True)
    except SafetensorError as error:  # also for a full disk: the library has no other error
        raise CheckpointError(
            f"cannot write checkpoint {path} ({_first_line(error)}); free some space and run the same command again"
        ) from None


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return tensors and header of a safetensors file; raise CheckpointError when it is missing or damaged.

    A file is also damaged if its tensors do not have the hash in its header; a file of another program has none.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, it is no dict
            header = dict(stored.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read checkpoint {path} ({_first_line(error)}); use another one") from None
    if (written := header.pop(_HASH, None)) not in (None, _hash_of(tensors)):
        raise CheckpointError(
            f"cannot read checkpoint {path} (its tensors do not match the hash in its header, {written[:12]}); "
            "use another one"
        )
    return tensors, header


def _hash_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
