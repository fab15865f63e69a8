"""The exports of a study: arch JSONs of the best at the trial budget and at the target, and of its Pareto front."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nas import __version__
from nas.data.prepared import PreparedData
from nas.records.holdout_comparison import chosen_trial, comparison_of
from nas.records.study import StudyRecord
from nas.records.trial import TrialRecord, front
from nas.scaling_law.fitted_law import TargetComparison
from nas.search.folder import StudyFolder
from nas.search.objectives import DEFAULT_OBJECTIVES, front_in, metrics_of
from nas.space.search_space import Candidate
from nas.system.files import write_atomically, write_json
from nas.training.recipe import RECIPE_VERSION


def export_architectures(
    folder: StudyFolder, study: StudyRecord, records: Sequence[TrialRecord], data: PreparedData
) -> list[Path]:
    """Write arch.json, best-at-*.json and front/ with their tokenizers; return the paths written, arch.json first.

    arch.json is the architecture predicted best at the target if the prediction is trusted, else the best at the
    search's budget. best-at-target.json and best-at-search.json hold the two.
    """
    chosen = chosen_trial(study, records, study.collapse_weight)
    if chosen is None:
        return []
    exporter = _Exporter(folder, study, records, data)
    searched = exporter.from_trial(chosen, f"best at {_top_flops(study):.3g} training FLOPs, on the holdout")
    written = [exporter.write(folder.best_at_search, searched)]
    exported = searched
    if study.at_target is not None:
        at = study.at_target
        predicted = exporter.from_prediction(at, f"predicted best at {at.target_flops:.3g} training FLOPs")
        written.append(exporter.write(folder.best_at_target, predicted))
        exported = predicted if at.is_trusted else searched
    else:
        folder.best_at_target.unlink(missing_ok=True)
    written.insert(0, exporter.write(folder.arch_json, exported))
    for record in exported_front(study, records):
        path = folder.path / "front" / f"trial-{record.number:04d}.json"
        written.append(exporter.write(path, exporter.from_trial(record, "not dominated by any other trial")))
    for stale in set((folder.path / "front").glob("trial-*.json")) - set(written):
        stale.unlink()
    return written


def exported_front(study: StudyRecord, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the Pareto front in the objectives; with one objective, in bits per byte, collapse rate and size."""
    objectives = study.identity.get("objectives", DEFAULT_OBJECTIVES)
    return front(records) if len(objectives) == 1 else front_in(records, metrics_of(objectives))


def _top_flops(study: StudyRecord) -> float:
    return float(study.space["training"]["trial_flops"])


class _Exporter:
    """Builds the arch JSONs of one study: architecture, recipe and tokenizer, all that full training needs."""

    def __init__(
        self, folder: StudyFolder, study: StudyRecord, records: Sequence[TrialRecord], data: PreparedData
    ) -> None:
        self._folder, self._study, self._records, self._data = folder, study, records, data
        comparison = comparison_of(study, records, study.collapse_weight)
        self._verdict = {finalist.number: finalist for finalist in comparison.finalists} if comparison else {}

    def write(self, path: Path, content: dict[str, Any]) -> Path:
        """Write `content` and its tokenizer, whose path is stored relative to `path`."""
        vocabulary = content["vocabulary"]
        file = self._folder.path / "tokenizers" / f"{vocabulary}.json"
        write_atomically(file, self._data.vocabulary(vocabulary).save)
        write_json(path, {**content, "tokenizer": Path(os.path.relpath(file, path.parent)).as_posix()})
        return path

    def from_trial(self, record: TrialRecord, why: str) -> dict[str, Any]:
        """Return the content for the architecture of a trial, with its scores on validation and holdout."""
        metrics: dict[str, Any] = {"fitness": record.fitness, **record.scores}
        if (finalist := self._verdict.get(record.number)) is not None:
            metrics |= {"holdout_bpb": finalist.bpb}
            metrics |= {} if finalist.novel_bpb is None else {"holdout_novel_bpb": finalist.novel_bpb}
            metrics |= {"holdout_collapse_rate": finalist.collapse_rate, "holdout_seeds": finalist.num_seeds}
        candidate = Candidate(record.architecture, record.vocabulary, record.lr_multiplier, record.point)
        return self._content(candidate, metrics, why, record.number)

    def from_prediction(self, at: TargetComparison, why: str) -> dict[str, Any]:
        """Return the content for the architecture that the scaling law predicts to be best at the target."""
        best = at.best
        metrics = {
            "num_params": best.architecture.num_params,
            "target_flops": at.target_flops,
            "predicted_bpb": best.predicted.bpb,
            "predicted_bpb_interval": [best.predicted.low, best.predicted.high],
            "chance_of_beating_the_best_at_search": at.win_probability,
            "shortcomings": list(at.shortcomings),
        }
        candidate = Candidate(best.architecture, best.vocabulary, best.lr_multiplier, best.point)
        same = (record.number for record in self._records if record.architecture.id == best.architecture.id)
        return self._content(candidate, metrics, why, next(same, None))

    def _content(self, candidate: Candidate, metrics: dict[str, Any], why: str, trial: int | None) -> dict[str, Any]:
        study, training = self._study, self._study.space["training"]
        return {
            "architecture": candidate.architecture.model_dump(mode="json"),
            "vocabulary": candidate.vocabulary,
            "tokenizer": "",
            "recipe": {
                "rule": RECIPE_VERSION,
                "lr_multiplier": candidate.lr_multiplier,
                "batch_tokens": training["batch_tokens"],
                "seq_length": training["max_seq_length"],
            },
            "metrics": metrics,
            "provenance": {
                "study": study.name,
                "why": why,
                "trial": trial,
                "seed": study.seed,
                "collapse_weight": study.collapse_weight,
                "corpus": {"source": study.corpus["source"], "content_hash": self._data.corpus_hash},
                "split_seed": study.corpus["split_seed"],
                "codenas": __version__,
                "exported": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        }
