from __future__ import annotations

import pytest

from experiments.collapse_detector.human_code import CALIBRATION, EVALUATION, documents, windows
from nas.errors import CorpusError


def test_no_package_is_for_both_calibration_and_evaluation() -> None:
    assert not set(CALIBRATION) & set(EVALUATION)


def test_windows_are_pieces_of_documents_that_do_not_overlap() -> None:
    samples = windows(["optuna"], 800, 300)
    texts = documents("optuna")
    assert len(samples) == 300
    for window in samples[:20]:
        assert len(window.text.encode()) == 800
        homes = [text for text in texts if window.before + window.text in text]  # packages repeat themselves
        starts = [text.index(window.before + window.text) + len(window.before) for text in homes]
        assert any(start % 800 == 0 for start in starts)  # optuna is ASCII: characters are bytes
    assert len({window.text for window in samples}) == 300
    assert windows(["optuna"], 800, 300) == samples


def test_generated_files_and_tables_of_numbers_are_left_out() -> None:
    for text in documents("optuna"):
        assert "generated" not in text[:500].lower()
        assert sum(map(str.isdigit, text)) <= 0.15 * len(text)
        assert max(map(len, text.split("\n"))) <= 1000


def test_a_package_that_is_not_there_or_too_small_is_one_line() -> None:
    with pytest.raises(CorpusError, match=r"'no_such_package'.*make setup"):
        documents("no_such_package")
    with pytest.raises(CorpusError, match=r"'optuna' has \d+ windows.*1000000"):
        windows(["optuna"], 800, 1_000_000)
