from __future__ import annotations

import random
import re

import numpy as np
import pytest

from nas.corpus.near_duplicates import NUM_PERMUTATIONS, clusters, greatest_similarity, signature, similar_pairs


def words(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(1 << 30)}" for _ in range(count)]


def jaccard(first: str, second: str) -> float:
    """Compute the exact similarity with Python's sets."""

    def shingles(text: str) -> set[tuple[str, ...]]:
        text_words = re.findall(r"\w+", text)
        return {tuple(text_words[i : i + 5]) for i in range(len(text_words) - 4)}

    a, b = shingles(first), shingles(second)
    return len(a & b) / len(a | b)


def pair_of(share: float, seed: int) -> tuple[str, str]:
    """Return two texts of 2,000 words, the first `share` of which is the same."""
    same = words(int(2_000 * share), seed)
    texts = [" ".join(same + words(2_000 - len(same), 1000 * seed + side)) for side in (1, 2)]
    return texts[0], texts[1]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.67, 0.8, 0.95])
def test_the_estimate_is_that_of_jaccard_within_its_error(share: float) -> None:
    errors = []
    for seed in range(20):
        first, second = pair_of(share, seed)
        estimate = float((signature(first.encode()) == signature(second.encode())).mean())
        errors.append(estimate - jaccard(first, second))
    deviation = (share * (1 - share) / NUM_PERMUTATIONS) ** 0.5
    assert abs(np.mean(errors)) < 4 * max(deviation, 0.01) / 20**0.5
    assert max(map(abs, errors)) < 4 * max(deviation, 0.02)


def test_white_space_and_punctuation_make_no_difference() -> None:
    text = "def f(a, b):\n    return a + b\n" * 3
    assert np.array_equal(signature(text.encode()), signature(text.replace("    ", "\t").replace("+", "-").encode()))


@pytest.mark.parametrize("text", ["", "one", "one two three four"])
def test_a_text_of_fewer_than_five_words_has_a_signature_of_its_own(text: str) -> None:
    assert np.array_equal(signature(text.encode()), signature(f" {text}!".encode()))
    assert not np.array_equal(signature(text.encode()), signature(b"quite other words stand here"))


def test_similar_pairs_are_found_and_others_not() -> None:
    texts = [text for seed in range(50) for text in pair_of(0.9, seed)]
    signatures = np.stack([signature(text.encode()) for text in texts])
    pairs, similarity = similar_pairs(signatures, 0.5)
    assert pairs.tolist() == [[2 * index, 2 * index + 1] for index in range(50)]
    assert all(0.6 < estimate < 1 for estimate in similarity)
    assert len(similar_pairs(signatures, 0.99)[0]) == 0


def test_many_copies_give_every_pair() -> None:
    signatures = np.stack([signature(b"the same words as ever before")] * 5)
    pairs, similarity = similar_pairs(signatures, 1.0)
    assert pairs.tolist() == [[i, j] for i in range(5) for j in range(i + 1, 5)]
    assert set(similarity) == {1.0}


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_documents_have_no_pairs(count: int) -> None:
    assert similar_pairs(np.zeros((count, NUM_PERMUTATIONS), dtype=np.uint32), 0.5)[0].shape == (0, 2)


def test_clusters_are_connected_components_of_pairs() -> None:
    assert clusters(7, [(1, 3), (3, 5), (4, 6)]) == [0, 1, 2, 1, 4, 1, 4]
    assert clusters(4, [(2, 3), (0, 1), (1, 2)]) == [0, 0, 0, 0]
    assert clusters(2, []) == [0, 1]
    assert clusters(0, []) == []


def test_the_greatest_similarity_compares_all() -> None:
    rng = np.random.default_rng(0)
    others = rng.integers(0, 1 << 32, (3, NUM_PERMUTATIONS), dtype=np.uint32)
    near = others[1].copy()
    near[::2] += 1
    assert greatest_similarity(np.stack([near, others[2]]), others).tolist() == [0.5, 1.0]
