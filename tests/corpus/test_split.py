from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from nas.corpus.split import Split, split_entries
from nas.corpus.spool import Entry
from nas.errors import CorpusError


def make_entry(index: int, text: str, seed: int = 0, **values: str) -> Entry:
    facts = {"name": f"{index}.py", "package": "", "split": None} | values
    order = hashlib.sha256(f"{seed}\0{text}".encode()).hexdigest()
    return Entry(index=index, num_bytes=len(text), offset=0, order=order, **facts)


def documents_of(count: int, num_bytes: int, seed: int = 0) -> list[Entry]:
    return [make_entry(index, f"{index:0{num_bytes}d}", seed) for index in range(count)]


def split_documents(documents: list[Entry], max_bytes: int = 1 << 40) -> Split:
    """Split by single documents."""
    return split_entries(documents, lambda entry: entry.index, max_bytes)


def names(entries: Iterable[Entry]) -> list[str]:
    return [entry.name for entry in entries]


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
    assert sizes(split_documents(documents_of(100, num_bytes))) == expected


def test_the_order_is_that_of_the_hash_of_seed_and_content() -> None:
    split = split_documents(documents_of(40, 100, seed=7))
    expected = sorted(range(40), key=lambda index: hashlib.sha256(b"7\0" + f"{index:0100d}".encode()).digest())
    assert names([*split.validation, *split.train, *split.holdout]) == [f"{index}.py" for index in expected]


def test_the_order_given_does_not_matter_but_the_seed_does() -> None:
    documents = documents_of(60, 100)
    assert split_documents(documents) == split_documents(documents[::-1])
    assert names(split_documents(documents_of(60, 100, seed=2)).validation) != names(
        split_documents(documents).validation
    )


def test_every_document_is_in_exactly_one_split() -> None:
    documents = [make_entry(index, "x" * (37 * index % 900 + 1) + str(index)) for index in range(200)]
    split = split_documents(documents)
    assert sorted(entry.index for entry in (*split.train, *split.validation, *split.holdout)) == list(range(200))


def test_new_files_move_nothing_between_validation_and_holdout() -> None:
    documents = documents_of(300, 1_000)
    before, after = split_documents(documents[:290]), split_documents(documents)
    assert not set(before.validation) & set(after.holdout)
    assert not set(before.holdout) & set(after.validation)
    # Ten more documents push at most ten old ones over each border.
    assert len(set(before.validation) - set(after.validation)) <= 10
    assert len(set(before.holdout) - set(after.holdout)) <= 10


def test_a_document_too_large_for_evaluation_stays_in_train() -> None:
    for seed in range(10):
        giant = make_entry(1000, "g" * 50_000, seed)
        split = split_documents([giant, *documents_of(100, 1_000, seed)])
        assert giant in split.train
        assert 0 < sum(entry.num_bytes for entry in split.validation) <= 0.15 * 150_000
        assert 0 < sum(entry.num_bytes for entry in split.holdout) <= 0.15 * 150_000


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_too_few_documents_are_refused(count: int) -> None:
    with pytest.raises(CorpusError, match=f"^{count} documents .* give more and smaller files"):
        split_documents(documents_of(count, 300_000))


def test_a_cluster_stays_together_and_a_large_one_in_train() -> None:
    """Split 3,000 documents of 1,000 bytes with ten pairs and a family of twenty; evaluation is 200,000 bytes."""
    documents = documents_of(3_000, 1_000)
    cluster = {index: index // 2 if index < 20 else 10_000 if index < 40 else index for index in range(3_000)}
    split = split_entries(documents, lambda entry: cluster[entry.index], 1 << 40, max_cluster_share=0.05)
    sides = [{cluster[entry.index] for entry in part} for part in (split.train, split.validation, split.holdout)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert 10_000 in sides[0]
    assert sum(entry.num_bytes for entry in split.validation) in (200_000, 201_000)


def test_large_clusters_are_not_brought_to_the_front() -> None:
    """A quarter of the bytes is in clusters of ten, so over many seeds about a quarter of validation is too."""
    share = []
    for seed in range(40):
        documents = documents_of(400, 1_000, seed)
        split = split_entries(documents, lambda entry: entry.index // 10 if entry.index < 100 else entry.index, 1 << 40)
        share.append(sum(entry.index < 100 for entry in split.validation) / len(split.validation))
    assert 0.17 < sum(share) / len(share) < 0.33


def test_evaluation_is_at_most_max_bytes_long_and_the_rest_of_a_held_out_package_is_left_over() -> None:
    documents = [make_entry(i, f"{i:01000d}", package=str(i // 100)) for i in range(1_000)]
    split = split_entries(documents, lambda entry: entry.package, 20_000)
    assert len(split.validation) == len(split.holdout) == 20
    assert len(split.left_over) == 2 * 80
    held_out = {entry.package for entry in (*split.validation, *split.holdout, *split.left_over)}
    assert len(held_out) == 2
    assert not held_out & {entry.package for entry in split.train}


def test_a_source_says_where_its_documents_belong() -> None:
    """A validation that sources name is all evaluation; its back half is the holdout if sources name none."""
    train = [make_entry(i, f"{i:01000d}", split="train") for i in range(100)]
    validation = [make_entry(i, f"{i:01000d}", split="validation") for i in range(100, 110)]
    split = split_documents([*train, *validation])
    assert (len(split.train), len(split.validation), len(split.holdout)) == (100, 5, 5)
    assert {entry.index for entry in (*split.validation, *split.holdout)} == set(range(100, 110))
