"""What a study hands on: arch.json for the best, front/ for the trials that no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas import __version__
from nas.data import PreparedData
from nas.files import write_atomically, write_json
from nas.finals import Finalist, chosen_trial, comparison_of
from nas.records import StudyRecord, TrialRecord, front
from nas.study.folder import StudyFolder
from nas.trial.recipe import RECIPE_VERSION


def export_architectures(
    folder: StudyFolder, study: StudyRecord, records: Sequence[TrialRecord], data: PreparedData
) -> list[Path]:
    """Write arch.json and front/ with the tokenizers they need; the paths written, arch.json first."""
    chosen = chosen_trial(study, records, study.collapse_weight)
    if chosen is None:
        return []
    comparison = comparison_of(study, records, study.collapse_weight)
    verdict = {one.number: one for one in comparison.finalists} if comparison else {}
    write_json(folder.arch_json, arch_json(chosen, study, data, verdict.get(chosen.number), "tokenizers"))
    _copy_tokenizer(data, chosen.vocabulary, folder.path / "tokenizers")
    written = [folder.arch_json]
    members = front(records)
    for record in members:
        path = folder.path / "front" / f"trial-{record.number:04d}.json"
        write_json(path, arch_json(record, study, data, verdict.get(record.number), "../tokenizers"))
        _copy_tokenizer(data, record.vocabulary, folder.path / "tokenizers")
        written.append(path)
    for stale in set((folder.path / "front").glob("trial-*.json")) - set(written):
        stale.unlink()
    return written


def arch_json(
    record: TrialRecord, study: StudyRecord, data: PreparedData, holdout: Finalist | None, tokenizers: str
) -> dict[str, Any]:
    """All that full training needs: architecture, tokenizer file (relative to this one), recipe, provenance."""
    metrics: dict[str, Any] = {"fitness": record.fitness, **record.scores}
    if holdout is not None:
        metrics |= {"holdout_bpb": holdout.bpb}
        metrics |= {} if holdout.novel_bpb is None else {"holdout_novel_bpb": holdout.novel_bpb}
        metrics |= {"holdout_collapse_rate": holdout.collapse_rate, "holdout_seeds": holdout.num_seeds}
    training = study.space["training"]
    return {
        "architecture": record.architecture.model_dump(mode="json"),
        "vocabulary": record.vocabulary,
        "tokenizer": f"{tokenizers}/{record.vocabulary}.json",
        "recipe": {
            "rule": RECIPE_VERSION,
            "lr_multiplier": record.lr_multiplier,
            "batch_tokens": training["batch_tokens"],
            "seq_length": training["max_seq_length"],
        },
        "metrics": metrics,
        "provenance": {
            "study": study.name,
            "trial": record.number,
            "seed": record.seed,
            "collapse_weight": study.collapse_weight,
            "corpus": {"source": study.corpus["source"], "content_hash": data.corpus_hash},
            "split_seed": study.corpus["split_seed"],
            "codenas": __version__,
            "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def _copy_tokenizer(data: PreparedData, vocabulary: str, folder: Path) -> None:
    write_atomically(folder / f"{vocabulary}.json", data.vocabulary(vocabulary).save)
