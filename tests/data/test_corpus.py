from __future__ import annotations

import hashlib
import os
import sysconfig
from pathlib import Path

import pytest

from nas.data.corpus import BLOCK_CHARS, MAX_CODE_BYTES, Document, read_corpus
from nas.errors import CorpusError


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.data.corpus.MIN_CORPUS_BYTES", 1)


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def names(source: Path | str) -> list[str]:
    return [document.name for document in read_corpus(str(source)).documents]


def test_the_standard_library_is_large_and_has_no_tests() -> None:
    corpus = read_corpus("stdlib")
    parts = {part for document in corpus.documents for part in document.name.split("/")}
    assert corpus.num_bytes > 5_000_000
    assert {"argparse.py", "asyncio"} <= parts
    assert not parts & {"test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data"}
    assert not any("\0" in document.text or "\r\n" in document.text for document in corpus.documents)


def test_two_reads_of_the_standard_library_are_equal() -> None:
    first, second = read_corpus("stdlib"), read_corpus("stdlib")
    assert first == second
    assert first.content_hash == second.content_hash


def test_a_standard_library_without_sources_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"test/test_os.py": b"x = 1\n", "os.pyc": b"compiled"})
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(CorpusError, match=r"has no \.py files .*Windows.*name a folder"):
        read_corpus("stdlib")


@pytest.mark.usefixtures("any_size")
def test_a_folder_gives_its_py_files_sorted_by_name_without_hidden_ones(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b.py": b"b = 1\n",
            "a/z.py": b"z = 1\n",
            "a.py": b"a = 1\n",
            "notes.txt": b"text\n",
            ".git/hook.py": b"hook = 1\n",
            "a/.hidden.py": b"hidden = 1\n",
            "a/__pycache__/z.py": b"cached = 1\n",
        },
    )
    assert names(tmp_path) == ["a.py", "a/z.py", "b.py"]


@pytest.mark.usefixtures("any_size")
def test_everything_left_out_is_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a_first.py": b"same = 1\r\n",
            "b_again.py": b"same = 1\n",
            "c_latin.py": "name = 'é'\n".encode("latin-1"),
            "d_nul.py": b"x = '\0'\n",
            "e_blank.py": b" \n\t\n",
            "f_empty.py": b"",
            "g_large.py": b"#" * (MAX_CODE_BYTES + 1),
            "h_limit.py": b"#" * MAX_CODE_BYTES,
        },
    )
    (tmp_path / "i_dangling.py").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "j_pipe.py")
    corpus = read_corpus(str(tmp_path))
    assert [document.name for document in corpus.documents] == ["a_first.py", "h_limit.py"]
    assert corpus.documents[0].text == "same = 1\n"
    assert corpus.num_bytes == 9 + MAX_CODE_BYTES
    assert corpus.counts == {
        "files_found": 10,
        "kept": 2,
        "unreadable": 2,
        "too_large": 1,
        "undecodable": 1,
        "with_nul": 1,
        "empty": 2,
        "duplicates": 1,
    }


@pytest.mark.usefixtures("any_size")
def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    write(tmp_path, {"package/a.py": b"a = 1\n"})
    (tmp_path / "package" / "loop").symlink_to(tmp_path)
    assert names(tmp_path) == ["package/a.py"]
    assert names(tmp_path / "**" / "*.py") == ["package/a.py"]


@pytest.mark.usefixtures("any_size")
def test_a_pattern_takes_matching_files_and_folders(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"lib1/a.py": b"a = 1\n", "lib1/sub/b.py": b"b = 1\n", "lib2.py": b"c = 1\n", "other.py": b"d = 1\n"},
    )
    assert names(tmp_path / "lib*") == ["lib1/a.py", "lib1/sub/b.py", "lib2.py"]
    assert names(tmp_path / "*" / "*.py") == ["lib1/a.py"]


@pytest.mark.usefixtures("any_size")
def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    write(tmp_path, {"v[1]/a.py": b"a = 1\n"})
    assert names(tmp_path / "v[1]") == ["a.py"]


@pytest.mark.usefixtures("any_size")
def test_a_text_file_is_cut_at_line_ends(tmp_path: Path) -> None:
    text = "".join(f"{number:099d}\n" for number in range(400))
    write(tmp_path, {"corpus.txt": text.encode()})
    documents = read_corpus(str(tmp_path / "corpus.txt")).documents
    # A line has 100 characters, so 163 lines are the most that fit in 16,384.
    assert [len(document.text) for document in documents] == [16_300, 16_300, 7_400]
    assert "".join(document.text for document in documents) == text
    assert [document.name for document in documents] == ["corpus.txt:000000", "corpus.txt:000001", "corpus.txt:000002"]


@pytest.mark.usefixtures("any_size")
def test_a_line_longer_than_a_block_is_cut_inside_without_breaking_characters(tmp_path: Path) -> None:
    text = "".join(chr(0x4E00 + number % 20_000) for number in range(2 * BLOCK_CHARS + 7))
    write(tmp_path, {"line.txt": text.encode()})
    documents = read_corpus(str(tmp_path / "line.txt")).documents
    assert [len(document.text) for document in documents] == [BLOCK_CHARS, BLOCK_CHARS, 7]
    assert "".join(document.text for document in documents) == text


@pytest.mark.usefixtures("any_size")
def test_a_single_py_file_is_cut_into_blocks_too(tmp_path: Path) -> None:
    write(tmp_path, {"all.py": b"".join(b"x%07d = 1\n" % number for number in range(100_000))})
    corpus = read_corpus(str(tmp_path / "all.py"))
    assert corpus.num_bytes == 1_300_000
    assert len(corpus.documents) == 80  # 1,260 lines of 13 bytes a block


@pytest.mark.usefixtures("any_size")
def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": b"\xef\xbb\xbfa = 1\n"})
    assert read_corpus(str(tmp_path)).documents == (Document("a.py", "a = 1\n"),)


@pytest.mark.usefixtures("any_size")
def test_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"code/a.py": b"a = 1\n"})
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names("~/code") == ["a.py"]


@pytest.mark.usefixtures("any_size")
def test_the_hash_is_of_names_and_contents_and_not_of_the_place(tmp_path: Path) -> None:
    files = {"a.py": b"a = 1\n", "b.py": b"b = 1\n"}
    here, there = write(tmp_path / "here", files), write(tmp_path / "there", files)
    renamed = write(tmp_path / "renamed", {"a.py": b"a = 1\n", "c.py": b"b = 1\n"})
    lines = [f"{name}\0{hashlib.sha256(content).hexdigest()}\n" for name, content in files.items()]
    expected = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert read_corpus(str(here)).content_hash == read_corpus(str(there)).content_hash == expected
    assert read_corpus(str(renamed)).content_hash != expected


def test_a_small_corpus_is_refused_with_what_was_found(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": b"a = 1\n", "b.py": b"a = 1\n", "c.py": b"\xff\n"})
    with pytest.raises(CorpusError) as caught:
        read_corpus(str(tmp_path))
    assert str(caught.value) == (
        f"corpus '{tmp_path}' is too small: 6 bytes in 1 documents, at least 1,000,000 are needed (files found: 3; "
        "left out: 1 not UTF-8, 1 exact duplicates); name a larger folder or text file, or use 'stdlib'"
    )


def test_a_text_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # sparse: takes no room
    with pytest.raises(CorpusError, match=r"1 too large .* 1 GiB for other text"):
        read_corpus(str(path))


@pytest.mark.parametrize(
    ("source", "message"),
    [("no/such/folder", "does not exist"), ("no/such/*.py", "no file matches"), ("", "has no name")],
)
def test_a_source_that_is_not_there_is_one_line(source: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        read_corpus(source)
    assert "\n" not in str(caught.value)
