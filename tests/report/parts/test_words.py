from __future__ import annotations

import pytest

from nas.report.parts.words import count, duration, sentence, visible
from tests.helpers.report_studies import architecture


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (980, "980"), (999_600, "1M"), (312_400, "312k"), (28_355_328, "28.4M"), (2e9, "2B")],
)
def test_counts_have_three_digits(number: float, words: str) -> None:
    assert count(number) == words


@pytest.mark.parametrize(("seconds", "words"), [(4.4, "4 s"), (99, "99 s"), (720, "12 min"), (7500, "2 h 05 min")])
def test_durations_read_as_said(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_control_and_direction_characters_become_visible() -> None:
    assert visible("a\tb\nc\x00\x1b\u202e\ud800é\u00a0") == "a\tb\nc␀␛\\u202e\\ud800é\u00a0"


def test_an_architecture_reads_as_a_sentence() -> None:
    assert sentence(architecture(num_layers=1, num_heads=4, num_kv_heads=1, qk_norm=True)) == (
        "1 layer of width 96, 4 attention heads on 1 key/value head, swiglu feed-forward of 3 times the width, "
        "rmsnorm, rotary positions, a vocabulary of 1,024, tied input and output embeddings, "
        "normalised queries and keys; 205k parameters"
    )
