"""The records of a full training run as plain data: all that a report on the run reads.

run.json        the settings of the run            RunRecord
log.jsonl       one line per evaluation            TrainingLine
summary.json    written at the end, the holdout    TrainingSummary
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from nas.architecture.config import ArchitectureConfig
from nas.errors import CheckpointError, validation_message
from nas.records.json_lines import read_json_lines
from nas.records.trial import Metrics, Record

RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
SUMMARY_FILE = "summary.json"


class RollBack(Record):
    """A return to an earlier step, from which training continues with half the learning rate."""

    to_step: int
    reason: str


class WatchedSample(Record):
    """A completion of a prompt that is repeated at every evaluation; untrusted text."""

    prompt: str
    completion: str


class TimeSpent(Record):
    """The time of a run so far, without the time between stops and resumes."""

    train_seconds: float
    watch_seconds: float
    """Seconds of evaluations and their samples."""
    tokens_per_second: float | None = None
    """Training speed; None in a summary."""

    @property
    def total_seconds(self) -> float:
        return self.train_seconds + self.watch_seconds

    @property
    def watch_share(self) -> float:
        return self.watch_seconds / self.total_seconds if self.total_seconds else 0.0


class TrainingLine(Record):
    """One evaluation during training: a line of the log."""

    step: int
    train_flops: float
    """Training FLOPs since the beginning by formula, without those of evaluations."""
    train_loss: float
    """Mean nats per token since the previous line."""
    val_bpb: float
    val_novel_bpb: float | None
    """None if no line of validation is novel."""
    val_perplexity: float
    learning_rate: float
    """Learning rate of the step before the evaluation."""
    rollbacks: tuple[RollBack, ...]
    """All roll-backs so far."""
    samples: tuple[WatchedSample, ...]
    measured: TimeSpent | None = None


class _OpenRecord(BaseModel):
    """Base of records whose files hold more than a report needs."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class TrainingRecipe(_OpenRecord):
    """The parts of a recipe that a report needs; its other keys are kept unread."""

    model_config = ConfigDict(extra="allow")

    num_steps: int
    batch_size: int
    """Sequences per step."""
    seq_length: int

    @property
    def batch_tokens(self) -> int:
        return self.batch_size * self.seq_length


class RunRecord(_OpenRecord):
    """The settings that decide the result of a run."""

    architecture: ArchitectureConfig
    recipe: TrainingRecipe
    numerics: dict[str, Any]
    corpus_hash: str
    evaluate_every: int
    validation_bytes: int
    distillation: dict[str, Any] | None = None
    """The teacher, if there is one."""
    command: str | None = None
    """The command that started the run; it also resumes it."""


class TrainingSummary(_OpenRecord):
    """The result of a finished run: its best weights on the holdout."""

    corpus: str | None
    command: str
    train_flops: float
    holdout: Metrics
    measured: TimeSpent

    @field_validator("holdout", mode="before")
    @classmethod
    def _without_the_derived(cls, stored: Any) -> Any:
        """Drop the collapse rate, which the file holds for its readers and Metrics derives."""
        return (
            {key: value for key, value in stored.items() if key != "collapse_rate"}
            if isinstance(stored, dict)
            else stored
        )


@dataclass(frozen=True)
class TrainingRun:
    """The records in the folder of a run, finished or not."""

    folder: Path
    record: RunRecord
    lines: tuple[TrainingLine, ...]
    summary: TrainingSummary | None
    """None until the run has finished."""

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def num_steps(self) -> int:
        return self.record.recipe.num_steps

    @property
    def step(self) -> int:
        """The step of the last evaluation."""
        return self.lines[-1].step if self.lines else 0

    @property
    def best(self) -> TrainingLine | None:
        """The line of the weights that are kept: the one with the lowest bits per byte."""
        return min(self.lines, key=lambda line: line.val_bpb, default=None)

    @property
    def rollbacks(self) -> tuple[RollBack, ...]:
        return self.lines[-1].rollbacks if self.lines else ()

    @property
    def command(self) -> str | None:
        return self.summary.command if self.summary else self.record.command

    @property
    def spent(self) -> TimeSpent | None:
        if self.summary:
            return self.summary.measured
        return self.lines[-1].measured if self.lines else None

    def tokens_at(self, line: TrainingLine) -> int:
        """Return the number of training tokens up to a line."""
        return line.step * self.record.recipe.batch_tokens


def is_training_run(folder: Path) -> bool:
    """Return whether `folder` holds a training run."""
    return (folder / RUN_FILE).is_file()


def read_training_run(folder: Path) -> TrainingRun:
    """Return the run in `folder`; CheckpointError if one of its files is damaged.

    An unfinished run has no summary, and no log before its first evaluation; a torn last line of the log is left out.
    """
    log, summary = folder / LOG_FILE, folder / SUMMARY_FILE
    return TrainingRun(
        folder,
        _read(folder / RUN_FILE, RunRecord, "run"),
        tuple(read_json_lines(log, TrainingLine, "line", CheckpointError)) if log.exists() else (),
        _read(summary, TrainingSummary, "summary") if summary.exists() else None,
    )


_File = TypeVar("_File", bound=BaseModel)


def _read(path: Path, kind: type[_File], name: str) -> _File:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from None
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged: {validation_message(error, name)}") from None
