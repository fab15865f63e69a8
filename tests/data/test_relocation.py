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
    """As another machine gets them; with `folder` in the place of their own."""
    arrived = pickle.loads(pickle.dumps(data))
    assert "manifest" in vars(arrived)
    if folder is not None:
        vars(arrived)["folder"] = folder
    return arrived


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of another machine."""
    monkeypatch.setenv("CODENAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_data_in_a_folder_that_machines_share_are_taken_from_there(data: PreparedData, elsewhere: Path) -> None:
    assert local_data(sent(data), silent).folder == data.folder
    assert not elsewhere.exists()


def test_data_that_are_not_there_are_prepared_once_and_are_the_same(data: PreparedData, elsewhere: Path) -> None:
    lines: list[str] = []
    mine = local_data(sent(data, Path("/not/there")), lines.append)
    assert lines and mine.folder.parent == elsewhere
    assert mine.vocabulary_sizes == data.vocabulary_sizes
    for split in SPLITS:
        assert read_documents(mine.folder, split) == read_documents(data.folder, split)
        for name in data.vocabulary_names:
            assert (mine.tokens(name, split) == data.tokens(name, split)).all()
    again: list[str] = []
    assert local_data(sent(data, Path("/not/there/either")), again.append) == mine
    assert again == []


def test_a_corpus_that_is_another_one_there_is_refused(
    data: PreparedData, corpus_folder: Path, elsewhere: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(corpus_folder, tmp_path / "other")
    (other / "more.py").write_text("".join(f"value_{number} = {number}\n" for number in range(300)))
    arrived = sent(data, Path("/not/there"))
    manifest = dict(arrived.manifest)
    manifest["recipe"] = {**manifest["recipe"], "sources": [{"folder": str(other)}]}
    vars(arrived)["manifest"] = manifest
    local_data.cache_clear()
    with pytest.raises(CorpusError, match=r"is another one on this machine: text/train\.bin differs; let the machines"):
        local_data(arrived, silent)
