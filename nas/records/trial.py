"""The record of one trial as plain data: what it was, what it scored at each rung, what it cost and why it ended.

Records are all that reports read and all that a worker sends back. Figures that must be equal in two runs with one
seed stand at the top level; what a clock or a machine decides stands under `measured`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from nas.architecture.config import ArchitectureConfig
from nas.errors import StudyError
from nas.records.fitness import fitness, pareto_front
from nas.records.json_lines import read_json_lines
from nas.space.dimension import Point

SCHEMA_VERSION = 2

TrialState = Literal["COMPLETE", "PRUNED", "FAIL"]
"""The states of Optuna in which a trial can end."""


class TrialEnd(StrEnum):
    """Why a trial ended."""

    COMPLETE = "complete"
    """Trained and evaluated up to the top rung."""
    STOPPED = "stopped"
    """Stopped by the stopping rule below the top rung."""
    OVER_LIMIT = "over_limit"
    """Over a limit that is known before training; not trained."""
    OVER_MEASURED_LIMIT = "over_measured_limit"
    """Over a limit that only training and evaluation can check."""
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    LEAK = "leak"
    """The model can read what it is asked to predict."""
    COLLAPSED = "collapsed"
    """Nearly all completions collapsed, even the sampled ones."""
    FAULT = "fault"
    """An error that is not the architecture's: an exception, or a lost process."""

    @property
    def state(self) -> TrialState:
        """Optuna's state of a trial with this end."""
        return "COMPLETE" if self is TrialEnd.COMPLETE else "FAIL" if self is TrialEnd.FAULT else "PRUNED"


class Record(BaseModel):
    """Base of all records: frozen, without unknown keys."""

    # No NaN: JSON has none, so a record that held one could not be read back.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CurvePoint(Record):
    """A point of a learning curve."""

    train_flops: float
    train_bytes: float
    train_loss: float
    """Mean nats per token since the previous point."""
    decay_of: int | None = None
    """The rung whose decay the point belongs to; None on the trunk, which all rungs share."""


class Metrics(Record):
    """Metrics of one model on one split: bits per byte, and the collapse rates of its completions."""

    bpb: float
    """Sum of nats / (ln 2 x UTF-8 bytes of the targets)."""
    perplexity: float
    """exp(nats per token): compares within one vocabulary only."""
    num_bytes: int
    novel_bpb: float | None = None
    """`bpb` on novel lines alone (nas/corpus/novel_lines.py); None if the split has none."""
    novel_num_bytes: int = 0
    num_prompts: int
    sampled_collapse_rate: float
    greedy_collapse_rate: float
    collapse_rules: dict[str, dict[str, int]]
    """Decoding -> rule -> completions on which that rule fired first."""

    @property
    def collapse_rate(self) -> float:
        """The collapse rate of the worse decoding.

        In small healthy models that is greedy decoding, which alone distinguishes architectures there
        (experiments/signal/README.md). A model that loops even when sampled must not hide behind its better decoding.
        """
        return max(self.sampled_collapse_rate, self.greedy_collapse_rate)


class Cost(Record):
    """Costs of an architecture by formula, and of its training."""

    num_params: int
    non_embedding_params: int
    train_flops_per_token: int
    train_flops: float
    train_tokens: int
    train_bytes: float | None
    """Tokens times the vocabulary's mean bytes per token; None without a corpus."""
    train_steps: int


class Measured(Record):
    """Times and memory measured on the machine; they differ between runs."""

    started: str
    """UTC, ISO 8601."""
    total_seconds: float
    train_seconds: float
    evaluate_seconds: float
    generate_seconds: float
    train_tokens_per_second: float
    decode_ms_per_token: float
    """Wall time of one decoding step over the whole batch of prompts, divided by the rows in it."""
    peak_memory_bytes: int
    """Peak resident memory of the worker process so far; on CUDA, the device's peak in this trial."""

    def after(self, below: Measured) -> Measured:
        """Return the figures of the rungs below and this one: seconds add up, speeds are those of this rung."""
        seconds = ("total_seconds", "train_seconds", "evaluate_seconds", "generate_seconds")
        summed = {name: getattr(below, name) + getattr(self, name) for name in seconds}
        peak = max(below.peak_memory_bytes, self.peak_memory_bytes)
        return self.model_copy(update={**summed, "started": below.started, "peak_memory_bytes": peak})


class RungResult(Record):
    """Result of a trial on validation at one rung, after the rung's own learning rate decay."""

    rung: int
    """Counted from 0, the lowest."""
    train_flops: float
    """Training FLOPs up to the end of this rung: the trunk from its start, and this decay alone."""
    train_bytes: float | None
    spent_flops: float
    """Training FLOPs that the rung added to the trial: the trunk since the rung below, and this decay."""
    fitness: float
    val_bpb: float
    collapse_rate: float
    validation: Metrics | None = None
    """None if a user's own objective reports only the figures above."""
    order: int = 0
    """How many results the study had before this one; only those decided whether the trial was promoted."""


class TrialRecord(Record):
    """One ended trial."""

    schema_version: int = SCHEMA_VERSION
    number: int
    end: TrialEnd
    reason: str | None = None
    """Why a trial is not COMPLETE, in one line for people."""
    reference: str | None = None
    """The name of the reference architecture, if the trial is one."""
    point: Point
    """Dimension of the search space -> value, fixed dimensions included."""
    architecture: ArchitectureConfig
    vocabulary: str
    lr_multiplier: float
    learning_rate: float | None = None
    seed: int
    cost: Cost | None = None
    rungs: tuple[RungResult, ...] = ()
    """The rungs at which the trial was evaluated, the lowest first; a stopped trial has them too."""
    curve: tuple[CurvePoint, ...] = ()
    measured: Measured | None = None

    @model_validator(mode="after")
    def _complete_has_results(self) -> Self:
        if self.is_complete and (not self.rungs or self.cost is None):
            raise ValueError("a COMPLETE trial has rungs and cost")
        return self

    @property
    def is_complete(self) -> bool:
        """Whether the trial was trained and evaluated up to the top rung."""
        return self.end is TrialEnd.COMPLETE

    @property
    def state(self) -> TrialState:
        """Optuna's state of the trial."""
        return self.end.state

    @property
    def result(self) -> RungResult | None:
        """The result at the top rung; None unless the trial is COMPLETE."""
        return self.rungs[-1] if self.is_complete else None

    @property
    def fitness(self) -> float | None:
        """Fitness at the top rung; None unless the trial is COMPLETE."""
        return self.result.fitness if self.result else None

    @property
    def val_bpb(self) -> float | None:
        """Validation bits per byte at the top rung; None unless the trial is COMPLETE."""
        return self.result.val_bpb if self.result else None

    @property
    def collapse_rate(self) -> float | None:
        """Collapse rate at the top rung; None unless the trial is COMPLETE."""
        return self.result.collapse_rate if self.result else None

    @property
    def validation(self) -> Metrics | None:
        """Metrics on validation at the top rung; None unless the trial is COMPLETE."""
        return self.result.validation if self.result else None

    @property
    def val_novel_bpb(self) -> float | None:
        """Bits per byte on the novel lines of validation, at the top rung."""
        return self.validation.novel_bpb if self.validation else None

    @property
    def scores(self) -> dict[str, float]:
        """The figures of a COMPLETE trial by name, as dashboards and exports show them; empty for other trials."""
        if self.result is None or self.cost is None:
            return {}
        metrics: dict[str, float] = {}
        if self.validation is not None:
            metrics = {
                **({} if self.val_novel_bpb is None else {"val_novel_bpb": self.val_novel_bpb}),
                "val_perplexity": self.validation.perplexity,
                "sampled_collapse_rate": self.validation.sampled_collapse_rate,
                "greedy_collapse_rate": self.validation.greedy_collapse_rate,
            }
        return {
            "val_bpb": self.result.val_bpb,
            "collapse_rate": self.result.collapse_rate,
            **metrics,
            "num_params": self.cost.num_params,
            "train_flops": self.cost.train_flops,
        }

    def after(self, below: TrialRecord | None) -> TrialRecord:
        """Return this record of one rung joined to the record of the rungs below it."""
        if below is None:
            return self
        measured = self.measured.after(below.measured) if self.measured and below.measured else self.measured
        return self.model_copy(
            update={"rungs": below.rungs + self.rungs, "curve": below.curve + self.curve, "measured": measured}
        )

    def ended(self, end: TrialEnd, reason: str) -> TrialRecord:
        """Return the record of this trial with another end; its rungs keep its scores."""
        return self.model_copy(update={"end": end, "reason": reason})

    def reweighted(self, collapse_weight: float) -> TrialRecord:
        """Return the same trial with its fitness at another collapse weight."""
        rungs = tuple(
            rung.model_copy(update={"fitness": fitness(rung.val_bpb, rung.collapse_rate, collapse_weight)})
            for rung in self.rungs
        )
        return self.model_copy(update={"rungs": rungs})

    def reproducible(self) -> dict[str, Any]:
        """Return what two runs with one seed must share, as JSON data."""
        return self.model_dump(mode="json", exclude={"measured"})


def completed(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the COMPLETE trials, best fitness first, equal ones by number."""
    return sorted(
        (record for record in records if record.is_complete), key=lambda record: (record.fitness, record.number)
    )


def front(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the COMPLETE trials that no other dominates in bits per byte, collapse rate and parameters.

    These are the three objectives of an exported front; the Pareto plot shows the first two.
    """
    ranked = completed(records)
    points = [
        (record.val_bpb or 0.0, record.collapse_rate or 0.0, float(record.architecture.num_params)) for record in ranked
    ]
    return [ranked[index] for index in pareto_front(points)]


def read_trials(path: Path) -> list[TrialRecord]:
    """Return the records of a `trials.jsonl` by number, the last line of each; a torn last line is left out.

    Raises StudyError if the file is missing, or if a line before the last is not a record.
    """
    records = {record.number: record for record in read_json_lines(path, TrialRecord, "record", StudyError)}
    return [records[number] for number in sorted(records)]
