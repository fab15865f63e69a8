"""What is known of a checkpoint beside its weights: what its run folder and the data cache say, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from nas.data.prepared import MANIFEST, read_manifest
from nas.errors import CacheError, CheckpointError
from nas.inference.language_model import BEST_WEIGHTS
from nas.records.json_lines import read_json_lines
from nas.records.training import LOG_FILE, RUN_FILE, SUMMARY_FILE, TrainingLine
from nas.records.trial import Metrics
from nas.system.cache_folder import cache_root
from nas.training.recipe import Recipe


@dataclass(frozen=True)
class RunFacts:
    """Of one checkpoint; None is not known."""

    weights: Path
    recipe: Recipe | None = None
    corpus_hash: str | None = None
    corpus: Mapping[str, Any] | None = None
    """The manifest of the corpus (nas/data/prepared.py)."""
    evaluation: TrainingLine | None = None
    """The line of the log at which these weights were the best so far."""
    holdout: Metrics | None = None
    command: str | None = None
    """What trained it."""

    @property
    def name(self) -> str:
        """Of the run folder."""
        return self.weights.resolve().parent.name

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        """Of a run folder, or of one weights file; a file that is missing or damaged says nothing."""
        weights = checkpoint / BEST_WEIGHTS if checkpoint.is_dir() else checkpoint
        folder = weights.parent
        run, summary = _json_object(folder / RUN_FILE), _json_object(folder / SUMMARY_FILE)
        corpus_hash = run.get("corpus_hash")
        command = summary.get("command")
        is_best = weights.name == BEST_WEIGHTS  # what log and summary say is of these
        return cls(
            weights=weights,
            recipe=_recipe(run.get("recipe")),
            corpus_hash=corpus_hash if isinstance(corpus_hash, str) else None,
            corpus=_find_manifest(corpus_hash),
            evaluation=_best_evaluation(folder / LOG_FILE) if is_best else None,
            holdout=_judgement(summary.get("holdout")) if is_best else None,
            command=command if isinstance(command, str) else None,
        )


def _json_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _recipe(values: Any) -> Recipe | None:
    try:
        return Recipe.model_validate(values)
    except ValidationError:
        return None


def _judgement(values: Any) -> Metrics | None:
    """Keys that a metrics does not have, such as its collapse_rate, are derived from the others."""
    if not isinstance(values, dict):
        return None
    try:
        return Metrics.model_validate({key: values[key] for key in Metrics.model_fields if key in values})
    except ValidationError:
        return None


def _best_evaluation(log: Path) -> TrainingLine | None:
    """The first line of the lowest bits per byte: the one at which nas.train kept its weights."""
    try:
        lines = read_json_lines(log, TrainingLine, "line", CheckpointError)
    except (OSError, CheckpointError):
        return None
    return min(lines, key=lambda line: line.val_bpb, default=None)


def _find_manifest(corpus_hash: object) -> dict[str, Any] | None:
    """Of the corpus with this content in the cache; one that was built with --out is not found."""
    try:
        folders = sorted(path.parent for path in cache_root().glob(f"*/{MANIFEST}"))
    except (OSError, RuntimeError):
        return None
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except CacheError:
            continue
        if manifest.get("content_hash") == corpus_hash:
            return manifest
    return None
