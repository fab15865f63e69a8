from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.errors import StudyError
from nas.records.study import StudyRecord, read_study
from nas.records.trial import completed, read_trials


def write_lines(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(lines).encode())
    return path


def study(**changes: Any) -> StudyRecord:
    values: dict[str, Any] = {
        "name": "s",
        "budget": None,
        "complete": True,
        "seed": 0,
        "collapse_weight": 1.0,
        "space": {},
        "identity": {},
        "corpus": {},
        "compressors": {"validation": {"gzip": 2.0}},
        "provenance": {"command": "é"},
    }
    return StudyRecord(**values | changes)


def test_a_study_survives_a_round_trip_through_json(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "study.json", study().model_dump_json(indent=2))
    assert read_study(path) == study()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 3}'])
def test_a_damaged_or_missing_study_file_is_an_error_of_one_line(tmp_path: Path, text: str) -> None:
    path = write_lines(tmp_path / "study.json", text)
    with pytest.raises(StudyError, match=r"study.json: study") as caught:
        read_study(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(StudyError, match="cannot read"):
        read_study(tmp_path / "other.json")


def test_the_committed_reference_study_can_be_read() -> None:
    folder = Path(__file__).parents[2] / "trials/reference/base"
    ranked, study = completed(read_trials(folder / "trials.jsonl")), read_study(folder / "study.json")
    assert ranked[0].number in [result.number for result in study.verdict]
