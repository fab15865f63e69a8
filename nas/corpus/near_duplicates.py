"""Near-duplicates: documents that share most of their 5-grams of words, found by MinHash.

The share of equal entries in two signatures estimates the Jaccard similarity of the two sets of 5-grams (Broder
1997); 5-grams and 256 permutations as in the cleaning of The Stack (Kocetkov et al. 2022). Its standard error is at
most 0.03. Candidates come from bands of the signature: two documents are compared when they agree in all rows of a
band (Leskovec et al., Mining of Massive Datasets, 3.4).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

NUM_PERMUTATIONS = 256
SHINGLE_WORDS = 5
BAND_ROWS = 4
"""With 64 bands a pair of similarity 0.5 is missed once in 60, one of 0.6 once in 7,000."""

Signature = NDArray[np.uint32]

_WORD = re.compile(rb"\w+")
_RANDOM = np.random.default_rng(0)
_FACTORS = _RANDOM.integers(0, 1 << 63, NUM_PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_TERMS = _RANDOM.integers(0, 1 << 63, NUM_PERMUTATIONS, dtype=np.uint64)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHINGLES_AT_ONCE = 256
_PAIRS_AT_ONCE = 1 << 14


def signature(text: bytes) -> Signature:
    """The MinHash of a text, (NUM_PERMUTATIONS,): the least of each hash over its 5-grams of words."""
    least = np.full(NUM_PERMUTATIONS, np.iinfo(np.uint32).max, dtype=np.uint32)
    shingles = _shingles(text)
    for start in range(0, len(shingles), _SHINGLES_AT_ONCE):
        # Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half of a x + b.
        hashes = shingles[start : start + _SHINGLES_AT_ONCE, None] * _FACTORS + _TERMS
        least = np.minimum(least, (hashes.min(axis=0) >> np.uint64(32)).astype(np.uint32))
    return least


def similar_pairs(signatures: NDArray[np.uint32], at_least: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs (n, 2), the smaller index first, and their estimated similarity (n,), of those with `at_least` that much.

    `signatures`: (documents, NUM_PERMUTATIONS). A pair that agrees in no band is missed, see BAND_ROWS.
    """
    pairs = _candidates(signatures)
    similarity = np.empty(len(pairs))
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        first, second = pairs[start : start + _PAIRS_AT_ONCE].T
        similarity[start : start + _PAIRS_AT_ONCE] = (signatures[first] == signatures[second]).mean(axis=1)
    kept = similarity >= at_least
    return pairs[kept], similarity[kept]


def clusters(count: int, pairs: Iterable[Sequence[int]]) -> list[int]:
    """For each of `count` documents the least index that pairs lead to from it."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs:
        low, high = sorted((root(int(first)), root(int(second))))
        parent[high] = low
    return [root(index) for index in range(count)]


def greatest_similarity(signatures: NDArray[np.uint32], others: NDArray[np.uint32]) -> NDArray[np.float64]:
    """The similarity of each of `signatures` (n, NUM_PERMUTATIONS) to the nearest of `others`; all are compared."""
    greatest = np.zeros(len(signatures))
    for other in others:
        np.maximum(greatest, (signatures == other).mean(axis=1), out=greatest)
    return greatest


def word_runs(text: bytes, length: int) -> NDArray[np.uint64]:
    """A 64-bit hash of each run of `length` words, in their order: (max(0, words - length + 1),)."""
    return _hashed_runs(_words(text), length)


def _shingles(text: bytes) -> NDArray[np.uint64]:
    """A 64-bit hash of each distinct 5-gram; a text of fewer words is one shingle."""
    words = _words(text)
    return np.unique(_hashed_runs(np.pad(words, (0, max(SHINGLE_WORDS - len(words), 0))), SHINGLE_WORDS))


def _words(text: bytes) -> NDArray[np.uint64]:
    """A 32-bit hash of each word, in their order."""
    return np.array([zlib.crc32(word) for word in _WORD.findall(text)], dtype=np.uint64)


def _hashed_runs(words: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    count = max(len(words) - length + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        hashes = (hashes ^ words[place : place + count]) * _MIX
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _candidates(signatures: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Pairs (n, 2) that agree in a band, each once, the smaller index first, sorted."""
    count = len(signatures)
    found = [np.empty(0, dtype=np.int64)]
    for band in range(0, NUM_PERMUTATIONS, BAND_ROWS):
        keys = np.zeros(count, dtype=np.uint64)
        for row in range(band, band + BAND_ROWS):
            keys = (keys ^ signatures[:, row]) * _MIX
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        distance = 1
        while (equal := np.flatnonzero(keys[distance:] == keys[:-distance])).size:
            # A stable sort leaves indices of one key in order, so the first is the smaller.
            found.append(order[equal] * count + order[equal + distance])
            distance += 1
    codes = np.unique(np.concatenate(found))
    return np.stack([codes // max(count, 1), codes % max(count, 1)], axis=1)
