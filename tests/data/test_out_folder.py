"""The folders in which `nas.corpus build --out` builds a corpus, and those that it refuses."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from nas.corpus.recipe import CorpusRecipe
from nas.corpus.sources import FolderSource
from nas.data.prepare import prepare_corpus
from nas.data.prepared import PreparedData
from nas.errors import CacheError, UsageError

ALLOWED = "give a new folder, an empty one, or that of the same corpus"


def quiet(line: str) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def any_size() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.corpus.documents.MIN_CORPUS_BYTES", 1)
        yield


def write_code(folder: Path, seed: int) -> str:
    """Write forty files of 2 KB in two packages; another seed gives other files."""
    rng = random.Random(seed)
    for number in range(40):
        package = folder / f"package{number % 2}"
        package.mkdir(parents=True, exist_ok=True)
        (package / f"{number}.py").write_text("".join(f"a{rng.random()} = {rng.random()}\n" for _ in range(40)))
    return str(folder)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_code(tmp_path_factory.mktemp("code"), 0)


@pytest.fixture(scope="module")
def other_code(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_code(tmp_path_factory.mktemp("other"), 1)


@pytest.fixture(scope="module")
def built(code: str, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return build([code], tmp_path_factory.mktemp("built") / "corpus")


@pytest.fixture
def out(built: PreparedData, tmp_path: Path) -> Path:
    """Return the corpus in a folder of the test's own."""
    return shutil.copytree(built.folder, tmp_path / "out")


def build(
    folders: list[str], out: Path, seed: int = 0, progress: Callable[[str], None] = quiet, **rules: Any
) -> PreparedData:
    recipe = CorpusRecipe(name="mine", sources=tuple(FolderSource(folder=folder) for folder in folders), **rules)
    return prepare_corpus(recipe, [], split_seed=seed, folder=out, progress=progress)


def refusal(out: Path, *arguments: Any, **rules: Any) -> str:
    """Return the line that refuses a build into `out`, and check that nothing changed there or next to it."""
    before = {path: path.stat().st_mtime_ns for path in out.parent.rglob("*")}
    with pytest.raises(UsageError) as caught:
        build(*arguments, **rules)
    assert {path: path.stat().st_mtime_ns for path in out.parent.rglob("*")} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_same_corpus_is_found_wherever_its_source_lies(out: Path, code: str, tmp_path: Path) -> None:
    progress: list[str] = []
    before = (out / "manifest.json").stat().st_mtime_ns
    moved = shutil.copytree(code, tmp_path / "moved")
    for source in (code, str(moved)):
        assert build([source], out, progress=progress.append).manifest["recipe"]["sources"] == [{"folder": code}]
    assert progress == []
    assert (out / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("seed", "rules", "stored", "requested"),
    [
        (1, {}, "seed 0", "seed 1"),
        (0, {"split": {"by": "package"}}, "split.by document", "split.by package"),
        (0, {"cleaning": {"tests": False}}, "cleaning.tests True", "cleaning.tests False"),
        (2, {"split": {"by": "package"}}, "split.by document, seed 0", "split.by package, seed 2"),
    ],
)
def test_another_seed_or_rule_is_another_corpus(
    out: Path, code: str, seed: int, rules: dict[str, Any], stored: str, requested: str
) -> None:
    message = refusal(out, [code], out, seed, **rules)
    assert f"--out {out} has another corpus: stored {stored}; requested {requested}; choose another" in message


def test_another_source_is_another_corpus(out: Path, code: str, other_code: str, tmp_path: Path) -> None:
    assert f"stored '{code}'; requested '{other_code}';" in refusal(out, [other_code], out)
    assert f"stored no '{other_code}'; requested '{other_code}';" in refusal(out, [code, other_code], out)
    two = tmp_path / "two"
    build([code, other_code], two)
    assert f"stored '{other_code}'; requested no '{other_code}';" in refusal(two, [code], two)
    assert "stored the same sources in another order;" in refusal(two, [other_code, code], two)


def test_a_source_that_has_changed_is_another_corpus(tmp_path: Path) -> None:
    code, out = write_code(tmp_path / "code", 0), tmp_path / "out"
    build([code], out)
    with (tmp_path / "code" / "package0" / "0.py").open("a") as file:
        file.write("more = 1\n")
    assert f"stored '{code}' with other content; requested '{code}';" in refusal(out, [code], out)


@pytest.mark.parametrize(
    ("change", "stored"),
    [({"format": 2}, "stored format 2; requested format 3;"), ({"recipe": {}}, "stored an unreadable recipe;")],
)
def test_a_manifest_of_another_version_is_another_corpus(
    out: Path, code: str, change: dict[str, Any], stored: str
) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | change))
    assert stored in refusal(out, [code], out)


@pytest.mark.parametrize("name", ["notes.txt", "text/mine.txt", "tokens/a/b/train.bin", "empty/"])
def test_a_folder_of_anything_else_is_refused(code: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text("mine")
    message = refusal(tmp_path / "out", [code], tmp_path / "out")
    assert message.startswith(f"--out {tmp_path / 'out'} is neither empty nor a corpus: it has '{name[:8]}".rstrip("/"))
    assert message.endswith(ALLOWED)


@pytest.mark.parametrize(("content", "reason"), [("{", "is not JSON"), ("{}", "lacks some of")])
def test_a_manifest_of_another_kind_is_refused(code: str, tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(content)
    message = refusal(tmp_path / "out", [code], tmp_path / "out")
    assert f"has no readable corpus: data cache {tmp_path / 'out'} is damaged: manifest.json {reason}" in message


@pytest.mark.parametrize("below", ["", "corpora/mine"])
def test_a_file_is_no_folder(code: str, tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / below
    message = refusal(tmp_path / "file", [code], out)
    assert message == f"--out {out} cannot be a folder: {tmp_path / 'file'} is a file; {ALLOWED}"


def test_an_empty_folder_and_an_unfinished_build_are_used(
    built: PreparedData, out: Path, code: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (out / "manifest.json").unlink()
    (out / "text" / ".train.bin.1.tmp").mkdir()
    (out / "text" / ".train.bin.1.tmp" / "train.bin").write_bytes(b"half")
    (out / ".spool.tmp").write_bytes(b"half")
    for folder in (tmp_path / "empty", out):
        assert build([code], folder).manifest["files"] == built.manifest["files"]


def test_the_working_folder_keeps_its_lock_outside(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    build([code], Path())
    assert "manifest.json" in {path.name for path in Path().iterdir()} <= {"manifest.json", "text", "novel"}


def test_the_folder_is_checked_again_after_waiting_for_its_lock(
    built: PreparedData, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is empty at first, and has another corpus once its lock is free."""
    folder, lock = tmp_path / "out", FileLock(tmp_path / "out.lock")

    def finish(line: str) -> None:
        if "another process is preparing" in line:
            shutil.copytree(built.folder, folder)
            lock.release()

    lock.acquire()
    with pytest.raises(UsageError, match="stored seed 0; requested seed 1"):
        build([code], folder, 1, finish)


def test_a_folder_that_cannot_be_written_names_the_flag(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, document: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.corpus.spool.Spool.add", full)
    with pytest.raises(CacheError) as caught:
        build([code], tmp_path / "out")
    message = str(caught.value)
    assert f"{tmp_path / 'out'}: No space left on device; " in message
    assert "--out" in message
