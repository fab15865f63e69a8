"""The study folder: the paths of all files of one study, and how they are read and written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL

from nas.errors import StudyError
from nas.records.study import StudyRecord, read_study
from nas.records.trial import TrialRecord, read_trials
from nas.system.files import write_json, write_text
from nas.system.lock import locked
from nas.trial.run import TrialPaths


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study; only methods read and write."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def database_url(self) -> str:
        return URL.create("sqlite", database=str(self.path / "study.db")).render_as_string()

    @property
    def trials_file(self) -> Path:
        return self.path / "trials.jsonl"

    @property
    def study_file(self) -> Path:
        return self.path / "study.json"

    @property
    def arch_json(self) -> Path:
        return self.path / "arch.json"

    @property
    def best_at_search(self) -> Path:
        return self.path / "best-at-search.json"

    @property
    def best_at_target(self) -> Path:
        return self.path / "best-at-target.json"

    @property
    def artifacts(self) -> Path:
        """Folder of the samples for optuna-dashboard's --artifact-dir."""
        return self.path / "artifacts"

    def trial_paths(self, number: int, *, keep_samples: bool) -> TrialPaths:
        samples = self.path / "samples" / f"{number:04d}.jsonl" if keep_samples else None
        return TrialPaths(
            samples=samples,
            trunk=self.path / "trunks" / f"{number:04d}.safetensors",
        )

    def final_weights(self, number: int, seed: int) -> Path:
        """Return the path of the weights of a finalist trained again with `seed`."""
        return self.path / "weights" / f"{number:04d}-seed{seed}.safetensors"

    def create(self) -> None:
        """Create the folder; StudyError if it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError("permission denied")
        except OSError as error:
            reason = error.strerror or str(error)
            raise StudyError(
                f"cannot write the study folder {self.path}: {reason}; choose another with --out"
            ) from None

    def locked(self) -> AbstractContextManager[None]:
        """Return a lock on the study for this process; entering it raises FolderBusy if another process has it."""
        return locked(self.path, f"study '{self.name}'", "start another with --name")

    def read_trials(self) -> list[TrialRecord]:
        """Return the records in trials.jsonl, none without the file; StudyError if it is damaged."""
        with _advice("remove it: the next search writes it again from the study database"):
            return read_trials(self.trials_file) if self.trials_file.exists() else []

    def read_study(self) -> StudyRecord | None:
        """Return the record in study.json, None without the file; StudyError if it is damaged."""
        with _advice("remove it and run the same command again: it holds no trials, and the verdict is computed again"):
            return read_study(self.study_file) if self.study_file.exists() else None

    def append_trial(self, record: TrialRecord) -> None:
        with self.trials_file.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")

    def write_trials(self, records: Iterable[TrialRecord]) -> None:
        write_text(self.trials_file, "".join(record.model_dump_json() + "\n" for record in records))

    def write_study(self, record: StudyRecord) -> None:
        write_json(self.study_file, record.model_dump(mode="json"))

    def drop_trunk(self, number: int) -> None:
        """Delete the trunk of a trial that has ended."""
        (self.path / "trunks" / f"{number:04d}.safetensors").unlink(missing_ok=True)


@contextmanager
def _advice(what_to_do: str) -> Iterator[None]:
    try:
        yield
    except StudyError as error:
        raise StudyError(f"{error}; {what_to_do}") from None
