"""Builds of corpora: exclusions, splits, and the same bytes in every build."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from nas.corpus.build import _cap_packages, _unlike_evaluation
from nas.corpus.near_duplicates import greatest_similarity, signature
from nas.corpus.recipe import CorpusRecipe, pair_recipe
from nas.corpus.sources import FolderSource
from nas.corpus.split import Split
from nas.corpus.spool import Entry
from nas.data.prepare import is_built_corpus, prepare_corpus, prepare_data
from nas.data.prepared import PreparedData
from nas.errors import CacheError, CorpusError

PACKAGES, FILES = 8, 30


def quiet(line: str) -> None:
    pass


def code(rng: random.Random, lines: int) -> list[str]:
    return [f"name_{rng.randrange(1 << 30)} = call_{rng.randrange(1 << 30)}(x)" for _ in range(lines)]


@pytest.fixture(scope="module", autouse=True)
def any_size() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.corpus.documents.MIN_CORPUS_BYTES", 1)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight packages of thirty files of 5 KB; each fifth file has a copy with a tenth, or four tenths, changed."""
    root = tmp_path_factory.mktemp("code")
    rng = random.Random(0)
    for package in range(PACKAGES):
        (root / f"package{package}").mkdir()
    for package in range(PACKAGES):
        for number in range(FILES):
            lines = code(rng, 100)
            (root / f"package{package}" / f"{number}.py").write_text("\n".join(lines) + "\n")
            if number % 5 == 0:
                near = lines[:95] + code(rng, 5) if number % 2 else lines[:75] + code(rng, 25)
                (root / f"package{(package + 1) % PACKAGES}" / f"near{number}.py").write_text("\n".join(near) + "\n")
    return root


def build(folder: Path, to: Path, **rules: object) -> PreparedData:
    recipe = CorpusRecipe(name="mine", sources=(FolderSource(folder=str(folder)),), **rules)
    return prepare_corpus(recipe, [], folder=to, progress=quiet)


def test_near_duplicates_go_and_similar_files_stay_on_one_side(folder: Path, tmp_path: Path) -> None:
    data = build(folder, tmp_path / "corpus")
    counts, splits = data.manifest["counts"], data.manifest["splits"]
    near = PACKAGES * len([number for number in range(0, FILES, 5) if number % 2])
    assert counts["near_duplicates"] == near
    assert (
        counts["kept"] == PACKAGES * (FILES + FILES // 5) - near == sum(split["documents"] for split in splits.values())
    )
    train = np.stack([signature(text.encode()) for text in data.documents("train")])
    for split in ("validation", "holdout"):
        evaluation = np.stack([signature(text.encode()) for text in data.documents(split)])
        assert greatest_similarity(evaluation, train).max() < 0.5
    assert data.manifest["similarity"]["changed_sides"] == 0, "similar files were never on two sides"
    plain = data.manifest["similarity"]["plain_split"]
    assert plain["validation"]["like_training"] > 0
    assert plain["validation"]["seen_line_share"] > splits["validation"]["seen_line_share"] == 0


def test_two_builds_are_the_same_bytes_wherever_the_folder_lies(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    first, second = build(folder, tmp_path / "a"), build(moved, tmp_path / "b")
    assert first.manifest["files"] == second.manifest["files"]
    assert first.corpus_hash == second.corpus_hash
    for name in first.manifest["files"]:
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


def test_the_manifest_builds_the_corpus_again(folder: Path, tmp_path: Path) -> None:
    data = build(folder, tmp_path / "a", split={"by": "package"})
    again = prepare_data(str(data.folder / "manifest.json"), [], cache=tmp_path / "cache", progress=quiet)
    assert again.corpus_hash == data.corpus_hash
    assert again.folder != data.folder


def test_whole_packages_are_held_out(folder: Path, tmp_path: Path) -> None:
    data = build(folder, tmp_path / "corpus", split={"by": "package", "evaluation_bytes": 20_000})
    packages = {split: set(data.manifest["packages"][split]) for split in ("train", "validation", "holdout")}
    assert (len(packages["validation"]), len(packages["holdout"])) == (1, 1)
    assert len(packages["train"]) == PACKAGES - 2
    assert not packages["train"] & (packages["validation"] | packages["holdout"])
    assert data.manifest["counts"]["held_out"] > 0
    assert data.manifest["splits"]["validation"]["bytes"] <= 20_000


def test_no_package_has_more_than_its_share() -> None:
    """Packages of 60, 30 and 10 documents of one size; three cannot have less than a third each."""
    packages = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    entries = [Entry(i, f"{i}.py", package, None, 100, 0, f"{i * 37 % 100:03d}") for i, package in enumerate(packages)]
    kept = _cap_packages(entries, 0.5)
    # a is cut to half of the whole: as many as b and c together.
    assert [sum(entry.package == name for entry in kept) for name in "abc"] == [40, 30, 10]
    kept = _cap_packages(entries, 0.4)
    # a and b are cut to 0.4 each of a whole of 50: 20, 20 and the 10 of c.
    assert [sum(entry.package == name for entry in kept) for name in "abc"] == [20, 20, 10]
    assert _cap_packages(entries, 0.3) == entries
    assert _cap_packages(entries, 1.0) == entries


def test_a_built_folder_is_a_corpus(folder: Path, tmp_path: Path) -> None:
    data = build(folder, tmp_path / "corpus")
    assert is_built_corpus(str(data.folder))
    assert not is_built_corpus(str(folder)) and not is_built_corpus("") and not is_built_corpus("/absent")
    opened = prepare_data(str(data.folder), ["bytes"], progress=quiet)
    assert opened.folder == data.folder
    assert opened.documents("holdout") == data.documents("holdout")


def test_a_built_folder_needs_no_source_and_is_repaired_under_its_own_seed(folder: Path, tmp_path: Path) -> None:
    code, out = Path(shutil.copytree(folder, tmp_path / "code")), tmp_path / "out"
    recipe = CorpusRecipe(name="mine", sources=(FolderSource(folder=str(code)),))
    first = prepare_corpus(recipe, [], split_seed=3, folder=out, progress=quiet)
    code.rename(tmp_path / "gone")
    assert prepare_data(str(out), ["bytes"], progress=quiet).corpus_hash == first.corpus_hash
    (tmp_path / "gone").rename(code)
    (out / "text" / "train.bin").write_bytes(b"")
    repaired = prepare_data(str(out), ["bytes"], progress=quiet).manifest
    assert (repaired["split_seed"], repaired["content_hash"]) == (3, first.corpus_hash)


def test_two_text_files_keep_the_split_of_their_owner(folder: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    train, validation = "\n".join(code(rng, 20_000)), "\n".join(code(rng, 2_000))
    (tmp_path / "train.txt").write_text(train)
    (tmp_path / "val.txt").write_text(validation)
    recipe = pair_recipe(str(tmp_path / "train.txt"), str(tmp_path / "val.txt"))
    data = prepare_data(recipe, [], cache=tmp_path / "cache", progress=quiet)
    assert sorted(data.documents("train")) == sorted(text for text in data.documents("train") if text in train)
    evaluated = [*data.documents("validation"), *data.documents("holdout")]
    assert sum(map(len, evaluated)) == len(validation)
    assert all(text in validation for text in evaluated)


def test_a_full_disk_leaves_no_corpus(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, document: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nas.corpus.spool.Spool.add", full)
    with pytest.raises(CacheError, match="No space left on device"):
        build(folder, tmp_path / "corpus")
    assert [path for path in (tmp_path / "corpus").rglob("*") if path.is_file()] == []
    assert not is_built_corpus(str(tmp_path / "corpus"))


def test_a_line_of_many_megabytes_is_left_out_block_by_block(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text("x" * 5_000_000)
    with pytest.raises(CorpusError, match=r"0 documents.* 306 with long lines"):
        prepare_data(str(tmp_path / "line.txt"), [], cache=tmp_path / "cache", progress=quiet)


def test_near_copies_that_the_bands_missed_are_left_out_of_training() -> None:
    """Signatures of 256: half of the second one's entries are those of evaluation's, a quarter of the third's."""
    rng = np.random.default_rng(0)
    signatures = rng.integers(0, 1 << 32, (4, 256), dtype=np.uint32)
    signatures[1, ::2] = signatures[0, ::2]
    signatures[2, ::4] = signatures[0, ::4]
    evaluation, *train = [Entry(index, f"{index}.py", "", None, 1, 0, "") for index in range(4)]
    kept, greatest = _unlike_evaluation(Split(tuple(train), (evaluation,), ()), signatures, 0.5)
    assert [entry.index for entry in kept] == [2, 3]
    assert greatest == 0.25
