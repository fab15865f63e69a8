from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from experiments.results_file import ResultsFile, read_results
from nas.errors import StudyError, StudyMismatch


class Result(BaseModel):
    name: str
    width: int = 1
    settings: dict[str, int] = {}


def name_of(result: Result) -> str:
    return result.name


def open_file(path: Path, seed: int = 0, command: str = "python -m x") -> ResultsFile[Result]:
    return ResultsFile(path, Result, name_of, identity={"seed": seed}, command=command, num_workers=2)


def test_results_are_kept_by_key_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jsonl"
    results = open_file(path)
    assert not results and not path.exists()
    for name in "ba":
        results.add(Result(name=name))
    assert list(results) == list(open_file(path)) == list(read_results(path, Result, name_of)) == ["b", "a"]
    assert results["a"] == Result(name="a")


def test_the_provenance_is_of_the_command_that_began_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    open_file(path)
    open_file(path, command="another")
    stored = json.loads((tmp_path / "a.provenance.json").read_text())
    assert (stored["identity"], stored["command"], stored["workers"]) == ({"seed": 0}, "python -m x", 2)
    assert "machine" in stored and "versions" in stored


def test_a_file_of_another_identity_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    open_file(path)
    with pytest.raises(StudyMismatch, match=r"a\.jsonl .*seed: stored 0, .* 1.*--data"):
        open_file(path, seed=1)


def test_a_torn_last_line_is_dropped_before_another_is_added(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    open_file(path).add(Result(name="a"))
    with path.open("a") as file:
        file.write('{"name": "b", "wi')
    results = open_file(path)
    assert list(results) == ["a"]
    results.add(Result(name="c"))
    assert [json.loads(line)["name"] for line in path.read_text().splitlines()] == ["a", "c"]


def test_a_last_line_without_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(Result(name="a").model_dump_json())
    results = open_file(path)
    results.add(Result(name="b"))
    assert list(open_file(path)) == ["a", "b"]


def test_whole_lines_are_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"name": "a",  "width": 2}\n')
    assert open_file(path)["a"].width == 2
    assert path.read_text() == '{"name": "a",  "width": 2}\n'


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"width": 1}\n{"name": "a"}\n')
    with pytest.raises(StudyError, match=r"a\.jsonl, line 1"):
        open_file(path)


def test_a_result_of_other_settings_is_refused(tmp_path: Path) -> None:
    results = open_file(tmp_path / "a.jsonl")
    results.add(Result(name="a", width=3, settings={"depth": 2}))
    assert results.has("a", width=3, settings={"depth": 2})
    assert not results.has("b", width=3)
    with pytest.raises(StudyMismatch, match=r"'a'.*settings\.depth: stored 2, .* 4.*--data"):
        results.has("a", settings={"depth": 4})
