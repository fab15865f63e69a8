from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from nas.corpus.copied_runs import RUN_WORDS, copied_shares
from nas.corpus.documents import Document
from nas.corpus.split import Split, split_entries, split_without_copies
from nas.corpus.spool import Entry, Spool


def words(seed: int, count: int = 300) -> str:
    numbers = np.random.default_rng(seed).integers(0, 400, count)
    return " ".join(f"w{number}" for number in numbers)


def runs(text: str) -> list[tuple[str, ...]]:
    found_words = re.findall(r"\w+", text)
    return [tuple(found_words[start : start + RUN_WORDS]) for start in range(len(found_words) - RUN_WORDS + 1)]


def test_shares_are_those_of_sets_of_words() -> None:
    training = [words(seed) for seed in range(4)]
    half = training[1][:700] + words(7)
    documents = [words(8), training[2], half, "too short", "", words(9) + training[0] + training[3]]
    known = {run for text in training for run in runs(text)}
    expected = [sum(run in known for run in runs(text)) / max(1, len(runs(text))) for text in documents]
    shares = copied_shares([text.encode() for text in documents], (text.encode() for text in training))
    assert shares == pytest.approx(expected)
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


def test_documents_copied_from_several_others_move_to_training_and_others_replace_them(tmp_path: Path) -> None:
    """A third of the documents is assembled from quarters of four others, and is similar to none of them."""
    texts = [words(seed) for seed in range(40)]
    for made in range(40, 60):
        parts = [texts[(made * 7 + offset) % 40] for offset in range(4)]
        texts.append(" ".join(part[offset * 300 : offset * 300 + 300] for offset, part in enumerate(parts)))
    progress: list[str] = []

    def split_once(entries: list[Entry]) -> Split:
        return split_entries(entries, lambda entry: entry.index, 6_000)

    with spooled(tmp_path, texts, {}) as spool:
        plain = split_once(spool.entries)
        split, num_moved = split_without_copies(spool.entries, split_once, spool, progress.append, 0.5)
        training = [spool.data(entry) for entry in split.train]
        for name in ("validation", "holdout"):
            evaluation = [spool.data(entry) for entry in getattr(split, name)]
            assert len(evaluation) == len(getattr(plain, name))
            assert copied_shares(evaluation, training).max() < 0.5
        before = [spool.data(entry) for entry in (*plain.validation, *plain.holdout)]
        assert copied_shares(before, [spool.data(entry) for entry in plain.train]).max() > 0.5
    assert num_moved > 0
    assert re.match(r"\d+ of \d+ evaluation documents are copied", progress[0])
    assert sum(map(len, (split.train, split.validation, split.holdout, split.left_over))) == 60


def test_documents_stay_in_the_split_that_their_source_names(tmp_path: Path) -> None:
    texts = [words(seed) for seed in range(20)] + [words(0), words(1)]
    placed = {20: "validation", 21: "holdout"}

    def split_once(entries: list[Entry]) -> Split:
        return split_entries(entries, lambda entry: entry.index, 1 << 40)

    with spooled(tmp_path, texts, placed) as spool:
        split, num_moved = split_without_copies(spool.entries, split_once, spool, lambda line: None, 0.5)
    assert num_moved == 0
    assert [entry.index for entry in (*split.validation, *split.holdout)] == [20, 21]


def test_nothing_moves_if_everything_is_copied(tmp_path: Path) -> None:
    texts = [" ".join(words(seed)[start : start + 700] for seed in range(4)) for start in range(30)]

    def split_once(entries: list[Entry]) -> Split:
        return split_entries(entries, lambda entry: entry.index, 1 << 40)

    with spooled(tmp_path, texts, {}) as spool:
        plain = split_once(spool.entries)
        assert split_without_copies(spool.entries, split_once, spool, lambda line: None, 0.5) == (plain, 0)
