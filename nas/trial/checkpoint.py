"""One file a checkpoint: weights, optimiser and step together, so that no crash leaves halves that disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nas.errors import CheckpointError
from nas.trial.training import Training
from nas.trial.weights import read_tensors, write_tensors

_WEIGHTS, _OPTIMIZER = "model.", "optimizer."


@dataclass(frozen=True)
class Progress:
    """Where a run stands beside its weights: what `nas.train` needs to go on as if it had not stopped."""

    step: int
    best_step: int
    best_val_bpb: float
    best_val_novel_bpb: float | None = None
    """None where no line is novel, and in a run begun before it was measured."""


def save_checkpoint(training: Training, progress: Progress, path: Path) -> None:
    """Write `path` atomically: a safetensors file, the progress in its header."""
    tensors = {_WEIGHTS + name: value for name, value in training.model.state_dict().items()}
    for index, state in training.optimizer_state()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}.{key}": value for key, value in state.items()}
    header = {
        "architecture": training.model.config.model_dump_json(),
        "step": str(progress.step),
        "best_step": str(progress.best_step),
        "best_val_bpb": repr(progress.best_val_bpb),
    }
    if progress.best_val_novel_bpb is not None:
        header["best_val_novel_bpb"] = repr(progress.best_val_novel_bpb)
    write_tensors(tensors, header, path)


def restore_checkpoint(training: Training, path: Path) -> Progress:
    """Load `path` into `training`; CheckpointError when it is damaged or of another architecture."""
    tensors, header = read_tensors(path)
    try:
        weights = {name.removeprefix(_WEIGHTS): one for name, one in tensors.items() if name.startswith(_WEIGHTS)}
        training.model.load_state_dict(weights)
        novel_bpb = float(header["best_val_novel_bpb"]) if "best_val_novel_bpb" in header else None
        progress = Progress(int(header["step"]), int(header["best_step"]), float(header["best_val_bpb"]), novel_bpb)
        training.restore(progress.step, _optimizer_state(training, tensors))
    except (KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit this run ({str(error).splitlines()[0]}); use another --out to start afresh"
        ) from None
    return progress


def _optimizer_state(training: Training, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(_OPTIMIZER):
            index, key = name.removeprefix(_OPTIMIZER).split(".")
            state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": training.optimizer_state()["param_groups"]}
