"""The checkpoints of a run: the newest one to resume from, older ones to roll back to.

checkpoints/step-00001200.safetensors    at an evaluation; the last `keep` of them stay
checkpoints/between.safetensors          between two evaluations, by the clock or when the run was told to stop

A checkpoint is one file with weights, optimiser, progress and the best weights so far, so that no two can disagree.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError
from torch import Tensor

from nas.errors import CheckpointError
from nas.train.progress import Progress
from nas.training.trainer import Trainer
from nas.training.weights import read_tensors, write_tensors

_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_WEIGHTS, _BEST = "model.", "best."


@dataclass(frozen=True)
class Seconds:
    """The wall time of a run so far, without the time in which it was stopped."""

    training: float = 0.0
    evaluating: float = 0.0
    """Seconds of evaluations and their samples."""


@dataclass(frozen=True)
class RunState:
    """The state of a run, apart from that of its trainer."""

    progress: Progress
    seconds: Seconds
    best: Mapping[str, Tensor]
    """The weights of the best evaluation, by name; empty before the first."""


class Checkpoints:
    """The checkpoints in `folder`; only the holder of the run's lock may use them."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self._between = folder / "between.safetensors"

    def save(self, trainer: Trainer, state: RunState, *, between: bool = False) -> None:
        """Write a checkpoint, then remove older ones; raise CheckpointError when it cannot be written."""
        path = self._between if between else self.folder / f"step-{state.progress.step:08}.safetensors"
        save_checkpoint(trainer, state, path)
        if not between:
            self._between.unlink(missing_ok=True)
            self._remove_old()

    def restore_newest(self, trainer: Trainer) -> RunState | None:
        """Load the newest valid checkpoint into `trainer`; return None without any.

        Warn about a damaged one and skip it; raise CheckpointError when all are damaged.
        """
        newest = [self._between] if self._between.exists() else []
        state = self._first_valid(trainer, newest + self._at_evaluations())
        self._remove_old()
        return state

    def roll_back(self, trainer: Trainer, *, failed_step: int, first_step: int) -> RunState | None:
        """Load an earlier checkpoint into `trainer` and remove newer ones, whose steps are done again differently.

        Only checkpoints at evaluations count, because the clock decides when there is one in between. If the newest
        is that of `failed_step`, from which the run has diverged before, load an older one; or return None, for the
        beginning, if that was `first_step`, the first evaluation of the run.
        """
        self._between.unlink(missing_ok=True)
        paths = self._at_evaluations()
        older = [path for path in paths if _step_of(path) < failed_step]
        if paths and _step_of(paths[0]) == failed_step and (older or failed_step == first_step):
            paths = older
        state = self._first_valid(trainer, paths)
        for path in self._at_evaluations():
            if state is None or _step_of(path) > state.progress.step:
                path.unlink()
        return state

    def _first_valid(self, trainer: Trainer, paths: Sequence[Path]) -> RunState | None:
        for number, path in enumerate(paths, start=1):
            try:
                return restore_checkpoint(trainer, path)
            except CheckpointError as error:
                if number == len(paths):
                    raise CheckpointError(
                        f"{error}; there is no other checkpoint in {self.folder}; use another --out to start again"
                    ) from None
                warnings.warn(f"{error}; trying the checkpoint before it, {paths[number].name}", stacklevel=2)
        return None

    def _remove_old(self) -> None:
        for path in self._at_evaluations()[self.keep :]:
            path.unlink()

    def _at_evaluations(self) -> list[Path]:
        """Return the checkpoints at evaluations, the newest first."""
        paths = [path for path in self.folder.glob("step-*") if _NAME.fullmatch(path.name)]
        return sorted(paths, key=_step_of, reverse=True)


def save_checkpoint(trainer: Trainer, state: RunState, path: Path) -> None:
    """Write `path` atomically: a safetensors file with its own hash, the progress in its header."""
    tensors = {_WEIGHTS + name: value for name, value in trainer.model.state_dict().items()}
    tensors |= {_BEST + name: value for name, value in state.best.items()}
    header = {
        "architecture": trainer.model.config.model_dump_json(),
        "progress": state.progress.model_dump_json(),
        "seconds": json.dumps(asdict(state.seconds)),
    }
    write_tensors(tensors | trainer.state(), header, path)


def restore_checkpoint(trainer: Trainer, path: Path) -> RunState:
    """Load `path` into `trainer`; raise CheckpointError when it is damaged or of another run."""
    tensors, header = read_tensors(path)
    best, weights = _pop_prefix(tensors, _BEST), _pop_prefix(tensors, _WEIGHTS)
    try:
        progress = Progress.model_validate_json(header["progress"])
        seconds = Seconds(**json.loads(header["seconds"]))
        trainer.model.load_state_dict(weights)
        trainer.restore(progress.step, tensors, progress.lr_scale)
    except (KeyError, TypeError, ValueError, ValidationError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit this run ({str(error).splitlines()[0]})") from None
    return RunState(progress, seconds, best)


def _pop_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Remove the tensors with a prefix from `tensors` and return them without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def _step_of(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])
