"""What is written down of a full training, as plain data: all that a report of one reads.

run.json        what the run is              RunRecord
log.jsonl       a line an evaluation         TrainingLine
summary.json    at the end, the verdict      TrainingSummary
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from nas.architecture.config import ArchitectureConfig
from nas.errors import CheckpointError, validation_message
from nas.records.json_lines import read_json_lines
from nas.records.trial import Metrics

RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
SUMMARY_FILE = "summary.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RollBack(_Record):
    """A return to an earlier step, with half the learning rate from there on."""

    to_step: int
    reason: str


class WatchedSample(_Record):
    """What the model wrote after a prompt that is asked at every evaluation. Untrusted text."""

    prompt: str
    completion: str


class TimeSpent(_Record):
    """What the clock says of a run so far, stops left out."""

    train_seconds: float
    watch_seconds: float
    """Evaluations and their samples."""
    tokens_per_second: float | None = None
    """Of training. None in a summary."""

    @property
    def total_seconds(self) -> float:
        return self.train_seconds + self.watch_seconds

    @property
    def watch_share(self) -> float:
        return self.watch_seconds / self.total_seconds if self.total_seconds else 0.0


class TrainingLine(_Record):
    """One evaluation: a line of the log."""

    step: int
    train_flops: float
    """By formula, since the beginning; those of evaluations are not in it."""
    train_loss: float
    """Mean nats per token since the line before."""
    val_bpb: float
    val_novel_bpb: float | None
    """None where no line is novel."""
    val_perplexity: float
    learning_rate: float
    """Of the step before the evaluation."""
    rollbacks: tuple[RollBack, ...]
    """All so far."""
    samples: tuple[WatchedSample, ...]
    measured: TimeSpent | None = None


class _OpenRecord(BaseModel):
    """Of a file that holds more than a report asks for."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class TrainingRecipe(_OpenRecord):
    """What a report must know of a recipe; all else of it is kept as it stands."""

    model_config = ConfigDict(extra="allow")

    num_steps: int
    batch_size: int
    """Sequences in a step."""
    seq_length: int

    @property
    def batch_tokens(self) -> int:
        return self.batch_size * self.seq_length


class RunRecord(_OpenRecord):
    """All that decides the result of a run."""

    architecture: ArchitectureConfig
    recipe: TrainingRecipe
    numerics: dict[str, Any]
    corpus_hash: str
    evaluate_every: int
    validation_bytes: int
    distillation: dict[str, Any] | None = None
    """The teacher, where there is one."""
    command: str | None = None
    """What began it, and goes on with it after a stop. None in runs of before."""


class TrainingSummary(_OpenRecord):
    """The end of a run: its best weights on the holdout."""

    corpus: str | None
    command: str
    train_flops: float
    holdout: Metrics
    measured: TimeSpent

    @field_validator("holdout", mode="before")
    @classmethod
    def _without_the_derived(cls, stored: Any) -> Any:
        """The file also holds the collapse rate, which Metrics derives."""
        return (
            {key: value for key, value in stored.items() if key != "collapse_rate"}
            if isinstance(stored, dict)
            else stored
        )


@dataclass(frozen=True)
class TrainingRun:
    """A run as its folder tells it, at its end or on the way."""

    folder: Path
    record: RunRecord
    lines: tuple[TrainingLine, ...]
    summary: TrainingSummary | None
    """None before the end."""

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def num_steps(self) -> int:
        return self.record.recipe.num_steps

    @property
    def step(self) -> int:
        """Of the last evaluation."""
        return self.lines[-1].step if self.lines else 0

    @property
    def best(self) -> TrainingLine | None:
        """The line of the weights that are kept."""
        return min(self.lines, key=lambda one: one.val_bpb, default=None)

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
        """Tokens trained on, up to a line."""
        return line.step * self.record.recipe.batch_tokens


def is_training_run(folder: Path) -> bool:
    return (folder / RUN_FILE).is_file()


def read_training_run(folder: Path) -> TrainingRun:
    """The run in `folder`; CheckpointError where one of its files is damaged.

    During a run there is no summary, and at its beginning no log; a torn last line of the log is left out.
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
