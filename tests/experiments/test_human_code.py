from __future__ import annotations

import pytest

from experiments.collapse_detector.human_code import JUDGING, MAKING, documents, windows
from nas.errors import CorpusError


def test_no_package_both_makes_and_judges() -> None:
    assert not set(MAKING) & set(JUDGING)


def test_windows_are_pieces_of_documents_that_do_not_overlap() -> None:
    found = windows(["optuna"], 800, 300)
    texts = documents("optuna")
    assert len(found) == 300
    for one in found[:20]:
        assert len(one.text.encode()) == 800
        homes = [text for text in texts if one.before + one.text in text]  # packages repeat themselves
        starts = [text.index(one.before + one.text) + len(one.before) for text in homes]
        assert any(start % 800 == 0 for start in starts)  # optuna is ASCII: characters are bytes
    assert len({one.text for one in found}) == 300
    assert windows(["optuna"], 800, 300) == found


def test_what_programs_wrote_and_tables_of_numbers_are_left_out() -> None:
    for text in documents("optuna"):
        assert "generated" not in text[:500].lower()
        assert sum(map(str.isdigit, text)) <= 0.15 * len(text)
        assert max(map(len, text.split("\n"))) <= 1000


def test_a_package_that_is_not_there_or_too_small_is_one_line() -> None:
    with pytest.raises(CorpusError, match=r"package 'no_such_package' is not installed here; run `make setup`"):
        documents("no_such_package")
    with pytest.raises(CorpusError, match=r"'optuna' has \d+ windows of 800 bytes, 1000000 wanted"):
        windows(["optuna"], 800, 1_000_000)
