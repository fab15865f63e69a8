from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nas.corpus.copied_runs import RUN_WORDS, copied_shares
from nas.corpus.documents import Document
from nas.corpus.split import Split, split_entries
from nas.corpus.split_without_copies import split_without_copies
from nas.corpus.spool import Entry, Spool


def words(seed: int, count: int = 300) -> str:
    drawn = np.random.default_rng(seed).integers(0, 400, count)
    return " ".join(f"w{one}" for one in drawn)


def runs(text: str) -> list[tuple[str, ...]]:
    found = re.findall(r"\w+", text)
    return [tuple(found[start : start + RUN_WORDS]) for start in range(len(found) - RUN_WORDS + 1)]


def test_shares_are_those_of_sets_of_words() -> None:
    training = [words(seed) for seed in range(4)]
    half = training[1][:700] + words(7)
    documents = [words(8), training[2], half, "too short", "", words(9) + training[0] + training[3]]
    known = {run for text in training for run in runs(text)}
    expected = [sum(run in known for run in runs(text)) / max(1, len(runs(text))) for text in documents]
    found = copied_shares([text.encode() for text in documents], (text.encode() for text in training))
    assert found == pytest.approx(expected)
    assert expected[1] == 1
    assert 0.2 < expected[2] < expected[5] < 1


def test_without_documents_or_training_nothing_is_copied() -> None:
    assert copied_shares([], [b"a b c d e f g h i"]).tolist() == []
    assert copied_shares([b"a b c d e f g h i"], []).tolist() == [0.0]


def spooled(folder: Path, texts: list[str], placed: dict[int, str]) -> Spool:
    spool = Spool(folder / "spool", seed=0)
    for index, text in enumerate(texts):
        spool.add(Document(name=f"{index}.py", text=text, package="", split=placed.get(index)))
    return spool


def test_documents_made_of_several_others_change_sides_and_others_are_judged(tmp_path: Path) -> None:
    """Every third is put together from quarters of four others: like none of them, and known to who read them."""
    texts = [words(seed) for seed in range(40)]
    for made in range(40, 60):
        parts = [texts[(made * 7 + offset) % 40] for offset in range(4)]
        texts.append(" ".join(part[offset * 300 : offset * 300 + 300] for offset, part in enumerate(parts)))
    said: list[str] = []

    def cut(entries: list[Entry]) -> Split:
        return split_entries(entries, lambda entry: entry.index, 6_000)

    with spooled(tmp_path, texts, {}) as spool:
        plain = cut(spool.entries)
        split, changed = split_without_copies(spool.entries, cut, spool, said.append, 0.5)
        training = [spool.data(one) for one in split.train]
        for one in ("validation", "holdout"):
            judged = [spool.data(entry) for entry in getattr(split, one)]
            assert len(judged) == len(getattr(plain, one))
            assert copied_shares(judged, training).max() < 0.5
        before = [spool.data(entry) for entry in (*plain.validation, *plain.holdout)]
        assert copied_shares(before, [spool.data(one) for one in plain.train]).max() > 0.5
    assert changed > 0
    assert "evaluation documents are made of training text and change sides" in said[0]
    assert sum(map(len, (split.train, split.validation, split.holdout, split.left_over))) == 60


def test_documents_that_their_source_has_placed_stay(tmp_path: Path) -> None:
    texts = [words(seed) for seed in range(20)] + [words(0), words(1)]
    placed = {20: "validation", 21: "holdout"}

    def cut(entries: list[Entry]) -> Split:
        return split_entries(entries, lambda entry: entry.index, 1 << 40)

    with spooled(tmp_path, texts, placed) as spool:
        split, changed = split_without_copies(spool.entries, cut, spool, lambda line: None, 0.5)
    assert changed == 0
    assert [entry.index for entry in (*split.validation, *split.holdout)] == [20, 21]


def test_where_everything_is_copied_nothing_changes_sides(tmp_path: Path) -> None:
    texts = [" ".join(words(seed)[start : start + 700] for seed in range(4)) for start in range(30)]

    def cut(entries: list[Entry]) -> Split:
        return split_entries(entries, lambda entry: entry.index, 1 << 40)

    with spooled(tmp_path, texts, {}) as spool:
        plain = cut(spool.entries)
        assert split_without_copies(spool.entries, cut, spool, lambda line: None, 0.5) == (plain, 0)
