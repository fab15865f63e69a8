"""A model's weights on disk: safetensors with the architecture in the header, so that a file says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nas.architecture import ArchitectureConfig
from nas.errors import ArchitectureError, CheckpointError
from nas.files import write_atomically
from nas.model import Decoder


def save_weights(model: Decoder, path: Path) -> None:
    write_tensors(model.state_dict(), {"architecture": model.config.model_dump_json()}, path)


def load_weights(path: Path) -> Decoder:
    """Build the model a file holds, on the CPU; CheckpointError when it is missing, damaged or does not fit."""
    tensors, header = read_tensors(path)
    try:
        model = Decoder(ArchitectureConfig.parse(json.loads(header["architecture"])), seed=0)
        model.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ArchitectureError) as error:
        raise CheckpointError(f"{path} holds no model of ours ({_first_line(error)}); use another checkpoint") from None
    return model


def write_tensors(tensors: Mapping[str, torch.Tensor], header: Mapping[str, str], path: Path) -> None:
    """Write a safetensors file atomically; tensors are copied to the CPU. CheckpointError when it cannot be written."""
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    metadata = {"format": "pt", **header}
    try:
        write_atomically(path, lambda temporary: save_file(plain, temporary, metadata=metadata))
    except SafetensorError as error:  # a full disk too: the library has no other error
        raise CheckpointError(
            f"cannot write checkpoint {path} ({_first_line(error)}); free some space and run the same command again"
        ) from None


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file; CheckpointError when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as stored:
            names = list(stored.keys())
            return {name: stored.get_tensor(name) for name in names}, dict(stored.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read checkpoint {path} ({_first_line(error)}); use another one") from None


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
