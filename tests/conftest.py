from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData

CORPUS_BYTES = 1_010_000
VOCABULARIES = ("bytes", "bpe-512")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give all tests one data cache of their own; the user's cache is never touched."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODENAS_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus just over the minimum size: the standard library's medium modules, sorted by name."""
    folder = tmp_path_factory.mktemp("corpus")
    total = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*.py")):
        size = path.stat().st_size
        if 4_000 <= size <= 40_000 and total < CORPUS_BYTES:
            shutil.copy(path, folder)
            total += size
    return folder


@pytest.fixture(scope="session")
def data(corpus_folder: Path, cache_of_the_tests: Path) -> PreparedData:
    """Return the corpus prepared with plain bytes and a small BPE."""
    return prepare_data(str(corpus_folder), VOCABULARIES, cache=cache_of_the_tests, progress=lambda line: None)
