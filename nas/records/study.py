"""What is written down: one trial, one metrics, one study, as plain data with a schema version.

Records are all that reports read and all that a worker sends back. Whatever must be the same in two
runs with one seed stands at the top level; whatever a clock or a machine decides stands under `measured`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nas.architecture.config import ArchitectureConfig
from nas.errors import StudyError, validation_message
from nas.records.fitness import fitness, pareto_front
from nas.records.json_lines import read_json_lines
from nas.scaling_law.fitted_law import NoLaw, ScalingLaw, TargetComparison
from nas.space.dimension import Point

SCHEMA_VERSION = 2

TrialState = Literal["COMPLETE", "PRUNED", "FAIL"]
"""The states of Optuna in which a trial can end."""


class TrialEnd(StrEnum):
    """Why a trial ended."""

    COMPLETE = "complete"
    """Trained and evaluated to the end."""
    STOPPED = "stopped"
    """By the stopping rule, below the top rung."""
    OVER_LIMIT = "over_limit"
    """Over a limit that is known before training; not trained."""
    OVER_MEASURED_LIMIT = "over_measured_limit"
    """Over a limit that training and evaluation showed."""
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    LEAK = "leak"
    """The model can read what it is asked to predict."""
    COLLAPSED = "collapsed"
    """Nearly all that the model writes has collapsed."""
    FAULT = "fault"
    """An error that is not the architecture's: an exception, or a lost process."""

    @property
    def state(self) -> TrialState:
        """Optuna's state of a trial with this end."""
        return "COMPLETE" if self is TrialEnd.COMPLETE else "FAIL" if self is TrialEnd.FAULT else "PRUNED"


class _Record(BaseModel):
    # No NaN: JSON has none, so a record that held one could not be read back.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CurvePoint(_Record):
    """A point of a learning curve."""

    train_flops: float
    train_bytes: float
    train_loss: float
    """Mean nats per token since the point before."""
    decay_of: int | None = None
    """The rung whose decay this is a point of; None on the trunk, which the rungs share."""


class Metrics(_Record):
    """What one model scores on one split: bits per byte and the collapse of what it generates."""

    bpb: float
    """Sum of nats / (ln 2 x UTF-8 bytes of the targets)."""
    perplexity: float
    """exp(nats per token): compares within one vocabulary only."""
    num_bytes: int
    novel_bpb: float | None = None
    """`bpb` on novel lines alone (nas/corpus/novel_lines.py); None where there are none, and in records of before."""
    novel_num_bytes: int = 0
    num_prompts: int
    sampled_collapse_rate: float
    greedy_collapse_rate: float
    collapse_rules: dict[str, dict[str, int]]
    """Decoding -> rule -> completions on which it fired first."""

    @property
    def collapse_rate(self) -> float:
        """The worse of the two decodings.

        In small healthy models that is greedy, which alone tells architectures apart there (experiments/signal/README.md);
        a model that loops even when sampled has no better one to hide behind.
        """
        return max(self.sampled_collapse_rate, self.greedy_collapse_rate)


class Cost(_Record):
    """What an architecture costs, by formula, and what its training used."""

    num_params: int
    non_embedding_params: int
    train_flops_per_token: int
    train_flops: float
    train_tokens: int
    train_bytes: float | None
    """Tokens times the vocabulary's mean bytes per token; None where no corpus is known."""
    train_steps: int


class Measured(_Record):
    """What the clock and the machine say: never the same twice."""

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
        """Of the rungs below and this one: seconds add up, speeds are this one's."""
        seconds = ("total_seconds", "train_seconds", "evaluate_seconds", "generate_seconds")
        summed = {name: getattr(below, name) + getattr(self, name) for name in seconds}
        peak = max(below.peak_memory_bytes, self.peak_memory_bytes)
        return self.model_copy(update={**summed, "started": below.started, "peak_memory_bytes": peak})


class RungResult(_Record):
    """What a trial scored on validation at one rung, after a decay of its own."""

    rung: int
    """From 0, the lowest."""
    train_flops: float
    """Of a training of this length alone: the trunk from its start, and the decay."""
    train_bytes: float | None
    spent_flops: float
    """What the rung added to the trial: the trunk since the rung below, and the decay."""
    fitness: float
    val_bpb: float
    collapse_rate: float
    validation: Metrics | None = None
    """None where an objective of the user's own says no more than the figures above."""
    order: int = 0
    """How many results the study had before this one. Those alone decided whether the trial went on."""


class TrialRecord(_Record):
    """One ended trial."""

    schema_version: int = SCHEMA_VERSION
    number: int
    end: TrialEnd
    reason: str | None = None
    """What happened to a trial that is not COMPLETE, for people, in one line."""
    reference: str | None = None
    """The reference architecture this trial is, if it is one."""
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
        return self.end is TrialEnd.COMPLETE

    @property
    def state(self) -> TrialState:
        return self.end.state

    @property
    def result(self) -> RungResult | None:
        """The result at the top rung; None unless the trial is COMPLETE."""
        return self.rungs[-1] if self.is_complete else None

    @property
    def fitness(self) -> float | None:
        return self.result.fitness if self.result else None

    @property
    def val_bpb(self) -> float | None:
        return self.result.val_bpb if self.result else None

    @property
    def collapse_rate(self) -> float | None:
        return self.result.collapse_rate if self.result else None

    @property
    def validation(self) -> Metrics | None:
        return self.result.validation if self.result else None

    @property
    def val_novel_bpb(self) -> float | None:
        return self.validation.novel_bpb if self.validation else None

    @property
    def scores(self) -> dict[str, float]:
        """Figures of a COMPLETE trial by name, for people; empty for any other trial."""
        if self.result is None or self.cost is None:
            return {}
        judged: dict[str, float] = {}
        if self.validation is not None:
            judged = {
                **({} if self.val_novel_bpb is None else {"val_novel_bpb": self.val_novel_bpb}),
                "val_perplexity": self.validation.perplexity,
                "sampled_collapse_rate": self.validation.sampled_collapse_rate,
                "greedy_collapse_rate": self.validation.greedy_collapse_rate,
            }
        return {
            "val_bpb": self.result.val_bpb,
            "collapse_rate": self.result.collapse_rate,
            **judged,
            "num_params": self.cost.num_params,
            "train_flops": self.cost.train_flops,
        }

    def after(self, below: TrialRecord | None) -> TrialRecord:
        """This record of a rung joined to that of the rungs below it."""
        if below is None:
            return self
        measured = self.measured.after(below.measured) if self.measured and below.measured else self.measured
        return self.model_copy(
            update={"rungs": below.rungs + self.rungs, "curve": below.curve + self.curve, "measured": measured}
        )

    def ended(self, end: TrialEnd, reason: str) -> TrialRecord:
        """Return the record of this trial if it ends here and is not COMPLETE; its rungs keep its scores."""
        return self.model_copy(update={"end": end, "reason": reason})

    def reweighted(self, collapse_weight: float) -> TrialRecord:
        """The same trial with its fitness at another collapse weight."""
        rungs = tuple(
            rung.model_copy(update={"fitness": fitness(rung.val_bpb, rung.collapse_rate, collapse_weight)})
            for rung in self.rungs
        )
        return self.model_copy(update={"rungs": rungs})

    def reproducible(self) -> dict[str, Any]:
        """All that two runs with one seed must share, as JSON data."""
        return self.model_dump(mode="json", exclude={"measured"})


class HoldoutResult(_Record):
    """A finalist trained again with a fresh seed, on data that the search never looked at."""

    number: int
    """Of the trial that found the architecture."""
    seed: int
    fitness: float | None
    metrics: Metrics | None
    reason: str | None = None
    """Why there is no metrics, in one line."""


class StudyRecord(_Record):
    """What is known of a study beside its trials; `study.json` in its folder."""

    schema_version: int = SCHEMA_VERSION
    name: str
    budget: int | None
    complete: bool
    seed: int
    collapse_weight: float
    space: dict[str, Any]
    """The search space file, as read."""
    identity: dict[str, Any]
    """What must be equal for two runs to be parts of one study."""
    corpus: dict[str, Any]
    """Source, hashes, counts, bytes and documents per split, tokens per vocabulary."""
    compressors: dict[str, dict[str, float]]
    """Split -> compressor -> bits per byte, on exactly the bytes that models are judged on."""
    verdict: tuple[HoldoutResult, ...] = ()
    law: ScalingLaw | NoLaw | None = None
    """Fitted to all trials; None before the verdict."""
    at_target: TargetComparison | None = None
    """The law's verdict at the full budget; None where there is no law."""
    provenance: dict[str, Any]
    """Command, versions, machine, date."""
    measured: dict[str, float] = {}

    """Phase -> seconds, summed over the runs of this study."""


def completed(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The COMPLETE trials, best fitness first, equal ones by number."""
    return sorted((one for one in records if one.is_complete), key=lambda one: (one.fitness, one.number))


def front(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The COMPLETE trials that no other beats in validation bits per byte, collapse rate and parameters at once.

    The three of an exported front; the Pareto plot shows the first two.
    """
    ranked = completed(records)
    points = [(one.val_bpb or 0.0, one.collapse_rate or 0.0, float(one.architecture.num_params)) for one in ranked]
    return [ranked[index] for index in pareto_front(points)]


def read_trials(path: Path) -> list[TrialRecord]:
    """The records of a `trials.jsonl` by number, the last line of each; a torn last line is left out.

    StudyError when the file is missing or a line before the last is not a record.
    """
    records = {one.number: one for one in read_json_lines(path, TrialRecord, "record", StudyError)}
    return [records[number] for number in sorted(records)]


def read_study(path: Path) -> StudyRecord:
    """The record in a `study.json`; StudyError when it is missing or is not one."""
    try:
        return StudyRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except ValidationError as error:
        raise StudyError(f"{path}: {validation_message(error, 'study')}") from None
