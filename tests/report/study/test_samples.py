from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import StudyError
from nas.report.study.samples import read_samples
from tests.helpers.report_studies import HOSTILE, write_samples


def test_samples_are_read_by_trial_and_absent_files_left_out(tmp_path: Path) -> None:
    write_samples(tmp_path, 7)
    samples = read_samples(tmp_path, [7, 8])
    assert list(samples) == [7]
    assert [(sample.index, sample.mode, sample.rule) for sample in samples[7]] == [
        (0, "sampled", None),
        (0, "greedy", "loop"),
        (1, "sampled", None),
        (1, "greedy", "loop"),
    ]
    assert samples[7][0].completion == HOSTILE


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    write_samples(tmp_path, 7)
    path = tmp_path / "samples" / "0007.jsonl"
    path.write_text(path.read_text()[:-20])
    assert len(read_samples(tmp_path, [7])[7]) == 3


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    write_samples(tmp_path, 7)
    path = tmp_path / "samples" / "0007.jsonl"
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(StudyError, match=r"0007\.jsonl, line 1: sample index: field required"):
        read_samples(tmp_path, [7])
