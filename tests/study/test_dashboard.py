from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from reporting.studies import ended, trial, write_samples

from nas.study.dashboard import Dashboard, note_of
from nas.study.folder import StudyFolder


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", directions=["minimize", "minimize"])


def test_a_note_says_what_the_trial_is_and_why_it_ended() -> None:
    assert note_of(ended(3, "PRUNED", "over the limit")) == (
        "**L6 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied**, bpe-1024\n\npruned: over the limit"
    )
    assert "reference: seed" in note_of(trial(0, 2.0, 0.1, 0.2, reference="seed"))


def test_the_dashboard_reads_the_note_and_the_artifact(study: optuna.Study, tmp_path: Path) -> None:
    note = pytest.importorskip("optuna_dashboard._note")
    write_samples(tmp_path, 0)
    asked = study.ask()
    record = trial(0, 2.0, 0.1, 0.2)
    Dashboard(StudyFolder(tmp_path))(asked, record)
    study.tell(asked, [2.0, 0.2])
    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert note.get_note_from_system_attrs(attributes, asked._trial_id)["body"] == note_of(record)
    (meta,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert (meta.filename, meta.mimetype) == ("0000.jsonl", "text/plain")
    with FileSystemArtifactStore(tmp_path / "artifacts").open_reader(meta.artifact_id) as kept:
        assert kept.read() == (tmp_path / "samples" / "0000.jsonl").read_bytes()


def test_without_samples_there_is_a_note_alone(study: optuna.Study, tmp_path: Path) -> None:
    Dashboard(StudyFolder(tmp_path))(study.ask(), trial(0, 2.0, 0.1, 0.2))
    assert not (tmp_path / "artifacts").exists()
