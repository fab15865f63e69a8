from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.system.files import atomic_folder, remove_leftovers, write_atomically, write_json, write_text


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
        assert temporary.parent.parent == path.parent  # so that the move is one within a file system
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


def test_a_folder_takes_its_place_whole_and_replaces_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for content in ("old", "new"):
        with atomic_folder(folder) as inside:
            assert inside.parent == tmp_path
            (inside / content).write_text(content)
            assert (folder / "old").exists() == (content == "new")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "old").write_text("old")
    with pytest.raises(RuntimeError, match="disk on fire"), atomic_folder(folder) as inside:
        (inside / "new").write_text("half")
        raise RuntimeError("disk on fire")
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_leftovers_of_files_and_folders_go_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".b.1.new.tmp").mkdir()
    (tmp_path / "a" / ".b.1.new.tmp" / ".c.1.tmp").write_text("")
    (tmp_path / "a" / ".d.1.tmp").write_text("")
    (tmp_path / "a" / "kept.tmp").write_text("")
    remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept.tmp"]
