"""Facts about a checkpoint from its run folder and the data cache, for the model card."""

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
    """The facts about one checkpoint; None means unknown."""

    weights: Path
    recipe: Recipe | None = None
    corpus_hash: str | None = None
    corpus: Mapping[str, Any] | None = None
    """The manifest of the corpus (nas/data/prepared.py)."""
    evaluation: TrainingLine | None = None
    """The line of the log at which these weights were the best so far."""
    holdout: Metrics | None = None
    command: str | None = None
    """The command line that trained the model."""

    @property
    def name(self) -> str:
        """The name of the run folder."""
        return self.weights.resolve().parent.name

    @classmethod
    def read(cls, checkpoint: Path) -> Self:
        """Read the facts about a run folder or one weights file; missing or damaged files are ignored."""
        weights = checkpoint / BEST_WEIGHTS if checkpoint.is_dir() else checkpoint
        folder = weights.parent
        run, summary = _json_object(folder / RUN_FILE), _json_object(folder / SUMMARY_FILE)
        corpus_hash = run.get("corpus_hash")
        command = summary.get("command")
        is_best = weights.name == BEST_WEIGHTS  # log and summary describe these weights
        return cls(
            weights=weights,
            recipe=_recipe(run.get("recipe")),
            corpus_hash=corpus_hash if isinstance(corpus_hash, str) else None,
            corpus=_find_manifest(corpus_hash),
            evaluation=_best_evaluation(folder / LOG_FILE) if is_best else None,
            holdout=_metrics(summary.get("holdout")) if is_best else None,
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


def _metrics(values: Any) -> Metrics | None:
    """Return stored metrics without derived keys such as collapse_rate; None when they are missing or damaged."""
    if not isinstance(values, dict):
        return None
    try:
        return Metrics.model_validate({key: values[key] for key in Metrics.model_fields if key in values})
    except ValidationError:
        return None


def _best_evaluation(log: Path) -> TrainingLine | None:
    """Return the first line with the lowest bits per byte, at which nas.train kept the best weights."""
    try:
        lines = read_json_lines(log, TrainingLine, "line", CheckpointError)
    except (OSError, CheckpointError):
        return None
    return min(lines, key=lambda line: line.val_bpb, default=None)


def _find_manifest(corpus_hash: object) -> dict[str, Any] | None:
    """Return the manifest of the cached corpus with this content; the cache has no corpus built with --out."""
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
