from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from nas.corpus.split_files import SPLITS
from nas.data.prepared import PreparedData, read_documents
from nas.data.relocation import local_data
from nas.errors import CorpusError


def silent(line: str) -> None: ...


def sent(data: PreparedData, folder: Path | None = None) -> PreparedData:
    """Return the data as another machine receives them, optionally with another folder."""
    received = pickle.loads(pickle.dumps(data))
    assert "manifest" in vars(received)
    if folder is not None:
        vars(received)["folder"] = folder
    return received


@pytest.fixture
def other_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use the cache of another machine, and return its folder."""
    monkeypatch.setenv("CODENAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_data_in_a_shared_folder_are_used_there(data: PreparedData, other_cache: Path) -> None:
    assert local_data(sent(data), silent).folder == data.folder
    assert not other_cache.exists()


def test_missing_data_are_prepared_once_and_are_the_same(data: PreparedData, other_cache: Path) -> None:
    lines: list[str] = []
    prepared = local_data(sent(data, Path("/not/there")), lines.append)
    assert lines and prepared.folder.parent == other_cache
    assert prepared.vocabulary_sizes == data.vocabulary_sizes
    for split in SPLITS:
        assert read_documents(prepared.folder, split) == read_documents(data.folder, split)
        for name in data.vocabulary_names:
            assert (prepared.tokens(name, split) == data.tokens(name, split)).all()
    again: list[str] = []
    assert local_data(sent(data, Path("/not/there/either")), again.append) == prepared
    assert again == []


def test_a_corpus_that_differs_on_the_machine_is_refused(
    data: PreparedData, corpus_folder: Path, other_cache: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(corpus_folder, tmp_path / "other")
    (other / "more.py").write_text("".join(f"value_{number} = {number}\n" for number in range(300)))
    received = sent(data, Path("/not/there"))
    manifest = dict(received.manifest)
    manifest["recipe"] = {**manifest["recipe"], "sources": [{"folder": str(other)}]}
    vars(received)["manifest"] = manifest
    local_data.cache_clear()
    with pytest.raises(CorpusError, match=r"differs on this machine: text/train\.bin .*; let the machines share"):
        local_data(received, silent)
