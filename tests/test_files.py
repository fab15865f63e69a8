from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.files import write_atomically, write_json, write_text


def test_folders_on_the_way_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "é\u2028\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "é\u2028\n".encode()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.txt"]


def test_a_writer_that_fails_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half of the new")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_content_stands_until_the_new_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def write(temporary: Path) -> None:
        assert temporary.parent == path.parent  # so that the move is one within a file system
        temporary.write_text("new")
        assert path.read_text() == "old"

    write_atomically(path, write)
    assert path.read_text() == "new"


def test_json_is_readable_and_keeps_its_characters(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": [1, 2.5], "a": "é"})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"b": [1, 2.5], "a": "é"}
    assert "é" in text
    assert text.endswith("}\n")
