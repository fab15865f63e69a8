"""One file a checkpoint: weights, optimiser, progress and the best weights so far, so that no two can disagree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from nas.errors import CheckpointError
from nas.train.progress import Progress
from nas.training.trainer import Trainer
from nas.training.weights import read_tensors, write_tensors

_WEIGHTS, _BEST = "model.", "best."


@dataclass(frozen=True)
class Seconds:
    """What the clock says of a run so far, stops left out."""

    training: float = 0.0
    watching: float = 0.0
    """Evaluations and their samples."""


@dataclass(frozen=True)
class RunState:
    """Where a run stands, beside the training itself."""

    progress: Progress
    seconds: Seconds
    best: Mapping[str, Tensor]
    """The weights of the best evaluation, by name; empty before the first."""


def save_checkpoint(training: Trainer, standing: RunState, path: Path) -> None:
    """Write `path` atomically: a safetensors file with its own hash, the progress in its header."""
    tensors = {_WEIGHTS + name: value for name, value in training.model.state_dict().items()}
    tensors |= {_BEST + name: value for name, value in standing.best.items()}
    header = {
        "architecture": training.model.config.model_dump_json(),
        "progress": standing.progress.model_dump_json(),
        "seconds": json.dumps(asdict(standing.seconds)),
    }
    write_tensors(tensors | training.state(), header, path)


def restore_checkpoint(training: Trainer, path: Path) -> RunState:
    """Load `path` into `training`; CheckpointError when it is damaged or of another run."""
    tensors, header = read_tensors(path)
    best, weights = _taken(tensors, _BEST), _taken(tensors, _WEIGHTS)
    state = tensors
    try:
        progress = Progress.model_validate_json(header["progress"])
        seconds = Seconds(**json.loads(header["seconds"]))
        training.model.load_state_dict(weights)
        training.restore(progress.step, state, progress.lr_scale)
    except (KeyError, TypeError, ValueError, ValidationError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit this run ({str(error).splitlines()[0]})") from None
    return RunState(progress, seconds, best)


def _taken(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those of a prefix, without it; they leave `tensors`."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}
