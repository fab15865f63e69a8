"""Notes and artifacts of trials for optuna-dashboard: a description, and the completions.

Nothing here needs the dashboard: a note is two attributes of the study, in the form that the dashboard reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.trial import Trial

from nas.records.trial import TrialRecord
from nas.search.folder import StudyFolder

_MAX = 2000
"""Maximum length of a note: what one attribute of an RDB storage holds."""


@dataclass(frozen=True)
class Dashboard:
    """Attaches note and artifact to a trial before it ends; after a kill they may be attached twice, harmlessly."""

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
    """Return the note in Markdown: the architecture, the rungs with their scores, and why the trial ended."""
    lines = [f"**{record.architecture.describe()}**, {record.vocabulary}"]
    lines += [f"reference: {record.reference}"] if record.reference else []
    lines += [f"{record.state.lower()}: {record.reason}"] if record.reason else []
    lines += [
        f"- rung {rung.rung + 1}, {rung.train_flops:.3g} FLOPs: {rung.val_bpb:.3f} bits per byte, collapse "
        f"{rung.collapse_rate:.3f}, fitness {rung.fitness:.3f}"
        for rung in record.rungs
    ]
    return "\n\n".join(lines)[:_MAX]


def save_note(trial: Trial, text: str) -> None:
    """Save a note as `optuna_dashboard.save_note` does; Optuna has no public way to write these attributes."""
    storage, study = trial.study._storage, trial.study._study_id
    storage.set_study_system_attr(study, f"dashboard:{trial._trial_id}:note_ver", 1)
    storage.set_study_system_attr(study, f"dashboard:{trial._trial_id}:note_str:0", text)
