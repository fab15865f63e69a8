from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

import nas
from nas.corpus.recipe import find_recipe
from nas.corpus.split_files import SPLITS
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import CacheError, CorpusError, UsageError
from nas.tokenizer.vocabulary import train_bpe

NAMES = ("bytes", "char", "bpe-300", "bpe-400")
SMALL_NAMES = ("bytes", "bpe-300")


@pytest.fixture(scope="module", autouse=True)
def any_size() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.corpus.documents.MIN_CORPUS_BYTES", 1)
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with about 300 KB of real code, and files with characters that are not ASCII."""
    folder = tmp_path_factory.mktemp("corpus")
    package = Path(sysconfig.get_path("stdlib"), "multiprocessing")
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    for number in range(40):
        (folder / f"unicode{number}.py").write_text(f"# {number}: é ü 語 ♥\n" * 40, encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def built(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return prepare_data(corpus, NAMES, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def small(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """Return data with fewer vocabularies, for tests that build them repeatedly."""
    return prepare_data(corpus, SMALL_NAMES, cache=tmp_path_factory.mktemp("small"))


@pytest.fixture
def copied(small: PreparedData, tmp_path: Path) -> PreparedData:
    """Return a copy of the small data, to be damaged."""
    shutil.copytree(small.folder, tmp_path / small.folder.name)
    return PreparedData(tmp_path / small.folder.name, SMALL_NAMES)


def contents(data: PreparedData) -> dict[str, bytes]:
    return {name: (data.folder / name).read_bytes() for name in data.manifest["files"]}


def test_all_vocabularies_decode_to_the_same_bytes_with_one_nul_a_document(built: PreparedData) -> None:
    for split in SPLITS:
        texts = built.documents(split)
        assert not any("\0" in text for text in texts)
        expected = b"".join(text.encode() + b"\0" for text in texts)
        facts = {key: built.manifest["splits"][split][key] for key in ("documents", "bytes")}
        assert facts == {"documents": len(texts), "bytes": len(expected)}
        for name in NAMES:
            assert built.vocabulary(name).decode(built.tokens(name, split)) == expected


def test_the_manifest_has_sizes_and_tokens(built: PreparedData) -> None:
    assert built.vocabulary_sizes["bytes"] == 256
    assert built.vocabulary_sizes["bpe-300"] == 300
    assert built.vocabulary_sizes["char"] == 256 + len("éü語♥") == built.vocabulary("char").size
    assert built.manifest["content_hash"] == built.corpus_hash
    for name in NAMES:
        facts = built.manifest["vocabularies"][name]
        assert facts["tokens"] == {split: len(built.tokens(name, split)) for split in SPLITS}
        bytes_per_token = built.manifest["splits"]["validation"]["bytes"] / facts["tokens"]["validation"]
        assert facts["validation_bytes_per_token"] == pytest.approx(bytes_per_token, abs=1e-4)
    assert built.manifest["vocabularies"]["bytes"]["validation_bytes_per_token"] == 1


def test_the_manifest_has_the_hashes_of_its_sources(built: PreparedData, corpus: str) -> None:
    assert built.manifest["source_hashes"] == [find_recipe(corpus).sources[0].digest()]


def test_a_study_records_only_its_own_vocabularies(built: PreparedData) -> None:
    manifest = built.manifest_for(["bytes"])
    assert manifest["vocabularies"] == {"bytes": built.manifest["vocabularies"]["bytes"]}
    assert len(built.manifest["vocabularies"]) > 1
    assert manifest.keys() == built.manifest.keys() - {"files", "packages"}


def test_vocabularies_learn_from_the_train_split_alone(built: PreparedData) -> None:
    train, validation = built.documents("train"), built.documents("validation")
    assert built.vocabulary("bpe-400").merges == train_bpe(train, 400).merges
    assert built.vocabulary("bpe-400").merges != train_bpe(train + validation, 400).merges


@pytest.mark.parametrize("split", ["validation", "holdout"])
def test_novel_bytes_are_those_of_long_lines_that_are_not_in_train(built: PreparedData, split: str) -> None:
    train = {line.strip() for text in built.documents("train") for line in text.split("\n")}
    expected, is_seen_line = b"", []
    for text in built.documents(split):
        for line in text.split("\n"):
            is_long, is_seen = len(line.strip()) >= 20, line.strip() in train
            is_seen_line += [is_seen] if is_long else []
            expected += (b"\1" if is_long and not is_seen else b"\0") * (len(line.encode()) + 1)
        expected = expected[:-1] + b"\0"
    assert (built.folder / "novel" / f"{split}.bin").read_bytes() == expected
    whole = built.novel_bytes(split, len(expected))
    assert (whole.dtype, whole.tobytes()) == (np.bool_, expected)
    share = sum(is_seen_line) / len(is_seen_line)
    assert 0 < share < 1
    assert built.manifest["splits"][split]["seen_line_share"] == pytest.approx(share, abs=1e-4)
    assert "seen_line_share" not in built.manifest["splits"]["train"]


def test_splits_share_no_document(built: PreparedData) -> None:
    texts = [text for split in SPLITS for text in built.documents(split)]
    assert len(texts) == len(set(texts)) == built.manifest["counts"]["kept"]


def test_tokens_are_mapped_read_only(built: PreparedData) -> None:
    tokens = built.tokens("bpe-300", "train")
    assert tokens.dtype == np.uint16
    assert not tokens.flags.writeable


def test_a_second_call_builds_nothing(built: PreparedData, corpus: str) -> None:
    progress: list[str] = []
    before = (built.folder / "manifest.json").stat().st_mtime_ns
    again = prepare_data(corpus, NAMES, cache=built.folder.parent, progress=progress.append)
    assert again == built
    assert progress == []
    assert (built.folder / "manifest.json").stat().st_mtime_ns == before


def test_two_caches_of_one_source_hold_the_same_files(small: PreparedData, corpus: str, tmp_path: Path) -> None:
    other = prepare_data(corpus, SMALL_NAMES, cache=tmp_path)
    assert other.folder.name == small.folder.name
    assert contents(other) == contents(small)


def test_another_split_seed_is_another_entry(built: PreparedData, corpus: str) -> None:
    other = prepare_data(corpus, ["bytes"], split_seed=1, cache=built.folder.parent)
    assert other.folder != built.folder
    assert other.corpus_hash != built.corpus_hash
    assert other.documents("validation") != built.documents("validation")


@pytest.mark.parametrize("order", [("bpe-300", "bpe-400"), ("bpe-400", "bpe-300")])
def test_vocabularies_added_later_leave_the_first_and_equal_those_built_together(
    built: PreparedData, corpus: str, tmp_path: Path, order: tuple[str, str]
) -> None:
    first = prepare_data(corpus, order[:1], cache=tmp_path)
    before = {name: (first.folder / name).stat().st_mtime_ns for name in first.manifest["files"]}
    later = prepare_data(corpus, ["bytes", order[1]], cache=tmp_path)
    assert {name: (first.folder / name).stat().st_mtime_ns for name in before} == before
    together = contents(built)
    assert all(together[name] == content for name, content in contents(later).items())
    assert list(later.vocabulary_sizes) == ["bytes", order[1]]
    assert PreparedData.open(later.folder).vocabulary_names == (order[0], "bytes", order[1])


def test_pickled_data_have_the_manifest_but_no_texts_or_tokens(built: PreparedData) -> None:
    fresh = PreparedData(built.folder, built.vocabulary_names)
    message = pickle.dumps(fresh)
    assert len(message) < 20_000 < built.manifest["splits"]["train"]["bytes"]
    assert pickle.loads(message).manifest == built.manifest
    assert pickle.loads(message).evaluation_bytes("validation", 1_000) == built.evaluation_bytes("validation", 1_000)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("manifest.json", truncate, "manifest.json is not JSON"),
    ("manifest.json", lambda path: path.write_text("[]"), "manifest.json lacks some of"),
    ("tokens/bpe-300/train.bin", truncate, "tokens/bpe-300/train.bin has "),
    ("tokens/bytes/holdout.bin", Path.unlink, "tokens/bytes/holdout.bin: No such file"),
    ("text/validation.bin", flip, "text/validation.bin has changed"),
    ("novel/holdout.bin", flip, "novel/holdout.bin has changed"),
    ("vocabularies/bpe-300.json", flip, "vocabularies/bpe-300.json has changed"),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES)
def test_a_damaged_cache_is_refused_by_open_and_built_again_by_prepare(
    copied: PreparedData, small: PreparedData, corpus: str, name: str, damage: Callable[[Path], object], message: str
) -> None:
    damage(copied.folder / name)
    with pytest.raises(CacheError, match=f"is damaged: {message}"):
        PreparedData.open(copied.folder)
    progress: list[str] = []
    prepare_data(corpus, SMALL_NAMES, cache=copied.folder.parent, progress=progress.append)
    assert message in progress[0]
    assert "building it again" in progress[0]
    assert contents(PreparedData.open(copied.folder)) == contents(small)


def test_building_again_keeps_the_vocabularies_of_others(copied: PreparedData, corpus: str) -> None:
    truncate(copied.folder / "tokens/bpe-300/train.bin")
    prepare_data(corpus, ["bytes"], cache=copied.folder.parent, progress=[].append)
    assert set(PreparedData.open(copied.folder).vocabulary_names) == set(SMALL_NAMES)


def test_an_unfinished_build_is_finished(copied: PreparedData, small: PreparedData, corpus: str) -> None:
    (copied.folder / "manifest.json").unlink()
    (copied.folder / "tokens/bpe-300/train.bin").unlink()
    (copied.folder / "tokens/bpe-300/.train.bin.1.tmp").write_bytes(b"half")
    data = prepare_data(corpus, SMALL_NAMES, cache=copied.folder.parent, progress=[].append)
    assert contents(data) == contents(small)
    assert not list(copied.folder.rglob("*.tmp"))


def test_two_processes_at_once_give_one_valid_cache(built: PreparedData, corpus: str, tmp_path: Path) -> None:
    code = "import sys; from nas.corpus import documents; from nas.data.prepare import prepare_data\n"
    code += "from pathlib import Path\n"
    code += "documents.MIN_CORPUS_BYTES = 1\n"
    code += "prepare_data(sys.argv[1], ['bytes', 'bpe-300'], cache=Path(sys.argv[2]))"
    environment = {**os.environ, "PYTHONPATH": str(Path(nas.__file__).parent.parent)}
    command = [sys.executable, "-W", "error", "-c", code, corpus, str(tmp_path)]
    with FileLock(tmp_path / f"{built.folder.name}.lock"):
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
        for process in processes:
            assert process.stderr
            assert "another process is preparing" in process.stderr.readline()
    outputs = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted("preparing vocabularies" in output for output in outputs) == [False, True]
    data = PreparedData.open(tmp_path / built.folder.name)
    assert all(contents(built)[name] == content for name, content in contents(data).items())


def test_a_cache_that_cannot_be_written_is_one_line_with_a_way_out(corpus: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CacheError, match=r"^cannot use the data cache .*file/cache: .*; set CODENAS_CACHE") as caught:
        prepare_data(corpus, ["bytes"], cache=tmp_path / "file" / "cache")
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_line_and_leaves_no_complete_entry(
    corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(CacheError, match="No space left on device; set CODENAS_CACHE"):
        prepare_data(corpus, ["bytes"], cache=tmp_path, progress=[].append)
    assert not list(tmp_path.rglob("manifest.json"))


def test_wrong_names_and_corpora_are_refused_before_anything_is_written(corpus: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(UsageError, match="unknown vocabulary 'bpe-12'"):
        prepare_data(corpus, ["bytes", "bpe-12"], cache=cache)
    with pytest.raises(CorpusError, match="does not exist"):
        prepare_data(str(tmp_path / "nowhere"), ["bytes"], cache=cache)
    assert not cache.exists()


def test_an_unknown_vocabulary_is_refused_with_a_suggestion(built: PreparedData) -> None:
    with pytest.raises(UsageError, match=r"unknown vocabulary 'bpe-30'; did you mean 'bpe-300'\?"):
        built.tokens("bpe-30", "train")


def test_a_folder_that_is_gone_is_a_cache_error(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="cannot read data cache"):
        PreparedData.open(tmp_path / "gone")
    with pytest.raises(CacheError, match="cannot read data cache"):
        PreparedData(tmp_path / "gone", ()).documents("train")
    with pytest.raises(CacheError, match="prepare the data again"):
        data_with(tmp_path, "abc").novel_bytes("validation", 10)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CODENAS_CACHE": "{tmp}/own", "XDG_CACHE_HOME": "{tmp}/xdg"}, "own"),
        ({"XDG_CACHE_HOME": "{tmp}/xdg"}, "xdg/codenas"),
        ({"HOME": "{tmp}"}, ".cache/codenas"),
    ],
)
def test_the_cache_lies_where_the_environment_says(
    corpus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("CODENAS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    assert prepare_data(corpus, ["bytes"], progress=[].append).folder.parent == tmp_path / expected


def test_tokenizers_are_sequential_afterwards_unless_the_user_set_them(
    built: PreparedData, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, after in ((None, "false"), ("true", "true")):
        monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
        if given:
            monkeypatch.setenv("TOKENIZERS_PARALLELISM", given)
        prepare_data(corpus, NAMES, cache=built.folder.parent)
        assert os.environ["TOKENIZERS_PARALLELISM"] == after


def data_with(folder: Path, *texts: str) -> PreparedData:
    (folder / "text").mkdir()
    (folder / "text" / "validation.bin").write_bytes(b"".join(text.encode() + b"\0" for text in texts))
    return PreparedData(folder, ())


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [
        (1_000, ["abc\n", "x\ny\nzzzzzzzz\n"]),
        (19, ["abc\n", "x\ny\nzzzzzzzz\n"]),  # 5 + 14 bytes with their NULs
        (18, ["abc\n", "x\ny\n"]),  # 13 of 18 left: cut
        (10, ["abc\n", "x\ny\n"]),  # 5 of 10 left: the 4 characters and a NUL fill them
        (9, ["abc\n"]),  # 4 of 9 left
        (5, ["abc\n"]),
        (4, ["abc"]),  # no line fits, so whole characters
        (1, ["a"]),
        (0, ["a"]),
    ],
)
def test_evaluation_documents_fill_the_budget_with_whole_documents_and_lines(
    tmp_path: Path, num_bytes: int, expected: list[str]
) -> None:
    data = data_with(tmp_path, "abc\n", "x\ny\nzzzzzzzz\n")
    assert data.evaluation_documents("validation", num_bytes) == expected
    assert data.evaluation_bytes("validation", num_bytes) == "".join(f"{text}\0" for text in expected).encode()


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [
        (1_000, "11110" + "0011" + "111111111" + "0"),
        (18, "11110" + "0011" + "0"),  # the NUL where a novel line began
        (9, "11110"),
        (4, "1110"),  # a line that was cut keeps its mark
        (1, "10"),
    ],
)
def test_novel_bytes_match_the_evaluation_bytes_even_if_cut(tmp_path: Path, num_bytes: int, expected: str) -> None:
    data = data_with(tmp_path, "abc\n", "x\ny\nzzzzzzzz\n")
    (tmp_path / "novel").mkdir()
    (tmp_path / "novel" / "validation.bin").write_bytes(bytes(map(int, "11110" + "0011" + "111111111" + "0")))
    mask = data.novel_bytes("validation", num_bytes)
    assert "".join(str(int(is_novel)) for is_novel in mask) == expected
    assert len(mask) == len(data.evaluation_bytes("validation", num_bytes))


def test_a_cut_never_breaks_a_character(tmp_path: Path) -> None:
    assert data_with(tmp_path, "語語語").evaluation_documents("validation", 6) == ["語"]


def test_the_manifest_is_plain_json(built: PreparedData) -> None:
    assert json.loads((built.folder / "manifest.json").read_text()) == built.manifest
    assert built.manifest["split_seed"] == 0
    assert set(built.manifest["counts"]) >= {"files_found", "kept"}
