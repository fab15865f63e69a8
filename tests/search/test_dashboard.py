from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta

from nas.search.dashboard import Dashboard, note_of
from nas.search.folder import StudyFolder
from nas.search.trial_attributes import attributes_of
from tests.helpers.report_studies import ended, trial, write_samples


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", directions=["minimize", "minimize"])


def test_a_note_has_the_architecture_and_the_reason_of_the_end() -> None:
    assert note_of(ended(3, "over_limit", "over the limit")) == (
        "**L6 H96 V1024 swiglu x3 rmsnorm rope 2 heads tied**, bpe-1024\n\npruned: over the limit"
    )
    assert "reference: origin" in note_of(trial(0, 2.0, 0.1, 0.2, reference="origin"))


def test_the_dashboard_reads_the_note_and_the_artifact(study: optuna.Study, tmp_path: Path) -> None:
    note = pytest.importorskip("optuna_dashboard._note")
    write_samples(tmp_path, 0)
    optuna_trial = study.ask()
    record = trial(0, 2.0, 0.1, 0.2)
    Dashboard(StudyFolder(tmp_path))(optuna_trial, record)
    study.tell(optuna_trial, [2.0, 0.2])
    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert note.get_note_from_system_attrs(attributes, optuna_trial._trial_id)["body"] == note_of(record)
    (meta,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert (meta.filename, meta.mimetype) == ("0000.jsonl", "text/plain")
    with FileSystemArtifactStore(tmp_path / "artifacts").open_reader(meta.artifact_id) as kept:
        assert kept.read() == (tmp_path / "samples" / "0000.jsonl").read_bytes()


def test_without_samples_there_is_only_a_note(study: optuna.Study, tmp_path: Path) -> None:
    Dashboard(StudyFolder(tmp_path))(study.ask(), trial(0, 2.0, 0.1, 0.2))
    assert not (tmp_path / "artifacts").exists()


def test_the_dashboard_serves_the_study(study: optuna.Study, tmp_path: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    write_samples(tmp_path, 0)
    optuna_trial, record = study.ask(), trial(0, 2.0, 0.1, 0.2)
    for key, value in attributes_of(record).items():
        optuna_trial.set_user_attr(key, value)
    Dashboard(StudyFolder(tmp_path))(optuna_trial, record)
    study.tell(optuna_trial, [2.0, 0.2])
    app = dashboard.wsgi(study._storage, FileSystemArtifactStore(tmp_path / "artifacts"))
    environment: dict[str, Any] = {}
    setup_testing_defaults(environment)
    environment["PATH_INFO"] = f"/api/studies/{study._study_id}"
    response = json.loads(b"".join(app(environment, lambda *_: None)))
    (shown,) = response["trials"]
    assert shown["note"]["body"] == note_of(record)
    assert [artifact["filename"] for artifact in shown["artifacts"]] == ["0000.jsonl"]
    assert {"architecture", "val_bpb", "collapse_rate", "num_params"} <= {
        attribute["key"] for attribute in shown["user_attrs"]
    }
