"""The checkpoints of a run: the last few, the newest good one to go on from, and one to go back to.

checkpoints/step-00001200.safetensors    at an evaluation; the last `keep` of them stay
checkpoints/between.safetensors          between two evaluations, by the clock or when the run was told to stop
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from nas.errors import CheckpointError
from nas.train.checkpoint import RunState, restore_checkpoint, save_checkpoint
from nas.training.trainer import Trainer

_NAME = re.compile(r"step-(\d{8,})\.safetensors")


class Checkpoints:
    """Those in `folder`; for who holds the run's lock alone."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self._between = folder / "between.safetensors"

    def save(self, training: Trainer, standing: RunState, *, between: bool = False) -> None:
        """Write one; older ones go only once it is whole. CheckpointError where it cannot be written."""
        path = self._between if between else self.folder / f"step-{standing.progress.step:08}.safetensors"
        save_checkpoint(training, standing, path)
        if not between:
            self._between.unlink(missing_ok=True)
            self._leave_the_newest()

    def _leave_the_newest(self) -> None:
        for old in self._at_evaluations()[self.keep :]:
            old.unlink()

    def go_on(self, training: Trainer) -> RunState | None:
        """Load the newest good one into `training`; None where there is none at all.

        A damaged one is said and passed over. CheckpointError where all are damaged.
        """
        newest = [self._between] if self._between.exists() else []
        found = self._first_good(training, newest + self._at_evaluations())
        self._leave_the_newest()
        return found

    def go_back(self, training: Trainer, *, tried: int, first: int) -> RunState | None:
        """As `go_on`, of those at evaluations; what is newer goes, as its steps are done again in another way.

        They alone count, as a clock decides when there is one in between. Where the newest is that of step `tried`,
        from which the run has fallen apart before, an older one is taken, or the beginning (None) where that was
        the `first` of all.
        """
        self._between.unlink(missing_ok=True)
        paths = self._at_evaluations()
        older = [path for path in paths if _step_of(path) < tried]
        if paths and _step_of(paths[0]) == tried and (older or tried == first):
            paths = older
        found = self._first_good(training, paths)
        for path in self._at_evaluations():
            if found is None or _step_of(path) > found.progress.step:
                path.unlink()
        return found

    def _first_good(self, training: Trainer, paths: Sequence[Path]) -> RunState | None:
        for number, path in enumerate(paths, start=1):
            try:
                return restore_checkpoint(training, path)
            except CheckpointError as error:
                if number == len(paths):
                    raise CheckpointError(
                        f"{error}, and no other is left in {self.folder}; use another --out to start afresh"
                    ) from None
                warnings.warn(f"{error}; trying the one before it, {paths[number].name}", stacklevel=2)
        return None

    def _at_evaluations(self) -> list[Path]:
        """The newest first."""
        found = [one for one in self.folder.glob("step-*") if _NAME.fullmatch(one.name)]
        return sorted(found, key=_step_of, reverse=True)


def _step_of(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1])
