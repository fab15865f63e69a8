"""What optuna-dashboard shows of a trial beside its figures: a note in words, and what it wrote as an artifact.

Nothing here needs the dashboard: a note is two attributes of the study, in the form that it reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.trial import Trial

from nas.records.trial import TrialRecord
from nas.search.folder import StudyFolder

_MAX = 2000
"""Characters of a note that one attribute holds."""


@dataclass(frozen=True)
class Dashboard:
    """Called with each trial before it is told; what a killed driver did twice is there twice and harms nothing."""

    folder: StudyFolder

    def __call__(self, trial: Trial, record: TrialRecord) -> None:
        save_note(trial, note_of(record))
        samples = self.folder.trial_paths(record.number, keep_samples=True).samples
        if samples is not None and samples.is_file():
            self.folder.artifacts.mkdir(exist_ok=True)
            store = FileSystemArtifactStore(self.folder.artifacts)
            upload_artifact(
                artifact_store=store,
                file_path=str(samples),
                study_or_trial=trial,
                mimetype="text/plain",
            )


def note_of(record: TrialRecord) -> str:
    """Markdown: the architecture, the scores, the rungs, and why it ended."""
    lines = [f"**{record.architecture.describe()}**, {record.vocabulary}"]
    lines += [f"reference: {record.reference}"] if record.reference else []
    lines += [f"{record.state.lower()}: {record.reason}"] if record.reason else []
    lines += [
        f"- rung {one.rung + 1}, {one.train_flops:.3g} FLOPs: {one.val_bpb:.3f} bits per byte, collapse "
        f"{one.collapse_rate:.3f}, fitness {one.fitness:.3f}"
        for one in record.rungs
    ]
    return "\n\n".join(lines)[:_MAX]


def save_note(trial: Trial, words: str) -> None:
    """As `optuna_dashboard.save_note` does."""
    storage, study = trial.study._storage, trial.study._study_id
    storage.set_study_system_attr(study, f"dashboard:{trial._trial_id}:note_ver", 1)
    storage.set_study_system_attr(study, f"dashboard:{trial._trial_id}:note_str:0", words)
