"""The record of a study as plain data: its settings, its corpus, the holdout verdict and the scaling law."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from nas.errors import StudyError, validation_message
from nas.records.trial import SCHEMA_VERSION, Metrics, Record
from nas.scaling_law.fitted_law import NoLaw, ScalingLaw, TargetComparison


class HoldoutResult(Record):
    """A finalist trained again with a fresh seed, evaluated on data that the search never looked at."""

    number: int
    """Number of the trial whose architecture this is."""
    seed: int
    fitness: float | None
    metrics: Metrics | None
    reason: str | None = None
    """Why there are no metrics, in one line."""


class StudyRecord(Record):
    """Record of a study without its trials: `study.json` in its folder."""

    schema_version: int = SCHEMA_VERSION
    name: str
    budget: int | None
    complete: bool
    seed: int
    collapse_weight: float
    space: dict[str, Any]
    """The search space file, as read."""
    identity: dict[str, Any]
    """Settings that must be equal for two runs to belong to one study."""
    corpus: dict[str, Any]
    """Source, hashes, counts, bytes and documents per split, tokens per vocabulary."""
    compressors: dict[str, dict[str, float]]
    """Split -> compressor -> bits per byte, on exactly the bytes that models are evaluated on."""
    verdict: tuple[HoldoutResult, ...] = ()
    law: ScalingLaw | NoLaw | None = None
    """The scaling law fitted to all trials; None before the verdict."""
    at_target: TargetComparison | None = None
    """Prediction of the law at the target; None without a law."""
    provenance: dict[str, Any]
    """Command, versions, machine, date."""
    measured: dict[str, float] = Field(default_factory=dict)
    """Phase -> seconds, summed over the runs of this study."""


def read_study(path: Path) -> StudyRecord:
    """Return the record in a `study.json`; StudyError if the file is missing or not such a record."""
    try:
        return StudyRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except ValidationError as error:
        raise StudyError(f"{path}: {validation_message(error, 'study')}") from None
