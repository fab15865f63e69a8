from __future__ import annotations

import hashlib

import pytest

from nas.data.corpus import Document
from nas.data.split import Split, split_documents
from nas.errors import CorpusError


def documents_of(count: int, num_bytes: int) -> list[Document]:
    return [Document(f"{i}.py", f"{i:0{num_bytes}d}") for i in range(count)]


def sizes(split: Split) -> tuple[int, int, int]:
    return len(split.train), len(split.validation), len(split.holdout)


@pytest.mark.parametrize(
    ("num_bytes", "expected"),
    [
        (100_000, (90, 5, 5)),  # 10 MB: 5% are 500 KB
        (20_000, (80, 10, 10)),  # 2 MB: 5% would be 100 KB, so 200 KB
        (10_000, (70, 15, 15)),  # 1 MB: 200 KB would be 20%, so 15%
    ],
)
def test_evaluation_gets_a_share_that_grows_as_the_corpus_shrinks(
    num_bytes: int, expected: tuple[int, int, int]
) -> None:
    assert sizes(split_documents(documents_of(100, num_bytes), seed=0)) == expected


def test_the_order_is_that_of_the_hash_of_seed_and_content() -> None:
    documents = documents_of(40, 100)
    split = split_documents(documents, seed=7)
    expected = sorted(documents, key=lambda d: hashlib.sha256(b"7\0" + d.text.encode()).digest())
    assert [*split.validation, *split.train, *split.holdout] == expected


def test_neither_file_order_nor_names_matter_but_the_seed_does() -> None:
    documents = documents_of(60, 100)
    renamed = [Document(f"elsewhere/{document.name}", document.text) for document in reversed(documents)]
    split, again = split_documents(documents, seed=1), split_documents(renamed, seed=1)
    assert [d.text for d in split.validation] == [d.text for d in again.validation]
    assert [d.text for d in split.holdout] == [d.text for d in again.holdout]
    assert [d.text for d in split.train] == [d.text for d in again.train]
    assert set(split_documents(documents, seed=2).validation) != set(split.validation)


def test_every_document_is_in_exactly_one_split() -> None:
    documents = [Document(f"{i}.py", "x" * (37 * i % 900 + 1) + str(i)) for i in range(200)]
    split = split_documents(documents, seed=3)
    together = [*split.train, *split.validation, *split.holdout]
    assert len(together) == 200
    assert set(together) == set(documents)


def test_new_files_move_nothing_between_validation_and_holdout() -> None:
    documents = documents_of(300, 1_000)
    before, after = split_documents(documents[:290], seed=0), split_documents(documents, seed=0)
    assert not set(before.validation) & set(after.holdout)
    assert not set(before.holdout) & set(after.validation)
    # Ten more documents push at most ten old ones over each border.
    assert len(set(before.validation) - set(after.validation)) <= 10
    assert len(set(before.holdout) - set(after.holdout)) <= 10


def test_a_document_too_large_for_evaluation_stays_in_train() -> None:
    giant = Document("giant.py", "g" * 50_000)
    for seed in range(10):
        split = split_documents([giant, *documents_of(100, 1_000)], seed)
        assert giant in split.train
        assert 0 < sum(d.num_bytes for d in split.validation) <= 0.15 * 150_000
        assert 0 < sum(d.num_bytes for d in split.holdout) <= 0.15 * 150_000


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_too_few_documents_are_refused(count: int) -> None:
    with pytest.raises(CorpusError, match=f"^{count} documents .* use more and smaller files"):
        split_documents(documents_of(count, 300_000), seed=0)
