"""One file a checkpoint: weights, optimiser and progress together, so that no crash leaves halves that disagree."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from nas.errors import CheckpointError
from nas.full_training.progress import Progress
from nas.trial.training import Training
from nas.trial.weights import read_tensors, write_tensors

_WEIGHTS = "model."


@dataclass(frozen=True)
class Seconds:
    """What the clock says of a run so far, stops left out."""

    training: float = 0.0
    watching: float = 0.0
    """Evaluations and their samples."""


def save_checkpoint(training: Training, progress: Progress, seconds: Seconds, path: Path) -> None:
    """Write `path` atomically: a safetensors file with its own hash, the progress in its header."""
    tensors = {_WEIGHTS + name: value for name, value in training.model.state_dict().items()}
    header = {
        "architecture": training.model.config.model_dump_json(),
        "progress": progress.model_dump_json(),
        "seconds": json.dumps(asdict(seconds)),
    }
    write_tensors(tensors | training.state(), header, path)


def restore_checkpoint(training: Training, path: Path) -> tuple[Progress, Seconds]:
    """Load `path` into `training`; CheckpointError when it is damaged or of another run."""
    tensors, header = read_tensors(path)
    weights = {name.removeprefix(_WEIGHTS): one for name, one in tensors.items() if name.startswith(_WEIGHTS)}
    state = {name: one for name, one in tensors.items() if not name.startswith(_WEIGHTS)}
    try:
        progress = Progress.model_validate_json(header["progress"])
        seconds = Seconds(**json.loads(header["seconds"]))
        training.model.load_state_dict(weights)
        training.restore(progress.step, state, progress.lr_scale)
    except (KeyError, TypeError, ValueError, ValidationError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit this run ({str(error).splitlines()[0]})") from None
    return progress, seconds
