"""Near-duplicates: documents that share most of their word 5-grams, found by MinHash.

The share of equal entries in two signatures estimates the Jaccard similarity of the two sets of 5-grams (Broder
1997), with a standard error of at most 0.03. The cleaning of The Stack also uses 5-grams and 256 permutations
(Kocetkov et al. 2022). Candidates come from bands of the signature: two documents are compared if they agree in all
rows of a band (Leskovec et al., Mining of Massive Datasets, 3.4).

By hand: datasketch hashes one shingle at a time in Python, and its signatures would give other corpora.
"""

from __future__ import annotations

import re
import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_PERMUTATIONS = 256
SHINGLE_WORDS = 5
BAND_ROWS = 4
"""With 64 bands, one of 60 pairs of similarity 0.5 is missed, and one of 7,000 pairs of similarity 0.6."""

Signature = NDArray[np.uint32]

_WORD = re.compile(rb"\w+")
_RANDOM = np.random.default_rng(0)
_FACTORS = _RANDOM.integers(0, 1 << 63, NUM_PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_TERMS = _RANDOM.integers(0, 1 << 63, NUM_PERMUTATIONS, dtype=np.uint64)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_BATCH_SHINGLES = 256
_BATCH_PAIRS = 1 << 14


def signature(text: bytes) -> Signature:
    """Return the MinHash of a text, (NUM_PERMUTATIONS,): the minimum of each hash over its word 5-grams."""
    minimum = np.full(NUM_PERMUTATIONS, np.iinfo(np.uint32).max, dtype=np.uint32)
    shingles = _shingles(text)
    for start in range(0, len(shingles), _BATCH_SHINGLES):
        # Multiply-shift hashing (Dietzfelbinger et al. 1997): the upper half of a x + b.
        hashes = shingles[start : start + _BATCH_SHINGLES, None] * _FACTORS + _TERMS
        minimum = np.minimum(minimum, (hashes.min(axis=0) >> np.uint64(32)).astype(np.uint32))
    return minimum


def similar_pairs(signatures: NDArray[np.uint32], at_least: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return pairs (n, 2) that are at least this similar, smaller index first, and their similarities (n,).

    `signatures` is (documents, NUM_PERMUTATIONS). A pair that agrees in no band is missed, see BAND_ROWS.
    """
    pairs = _candidates(signatures)
    similarity = np.empty(len(pairs))
    for start in range(0, len(pairs), _BATCH_PAIRS):
        first, second = pairs[start : start + _BATCH_PAIRS].T
        similarity[start : start + _BATCH_PAIRS] = (signatures[first] == signatures[second]).mean(axis=1)
    kept = similarity >= at_least
    return pairs[kept], similarity[kept]


def clusters(count: int, pairs: ArrayLike) -> list[int]:
    """Return for each of `count` documents the smallest index that pairs connect it with."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges), dtype=bool), edges.T), shape=(count, count))
    component = connected_components(graph, directed=False)[1]
    _, first = np.unique(component, return_index=True)
    return list(map(int, first[component]))


def greatest_similarity(signatures: NDArray[np.uint32], others: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return the similarity of each of `signatures` (n, NUM_PERMUTATIONS) to the nearest of `others`.

    All pairs are compared, so no pair is missed.
    """
    greatest = np.zeros(len(signatures))
    for other in others:
        np.maximum(greatest, (signatures == other).mean(axis=1), out=greatest)
    return greatest


def word_runs(text: bytes, length: int) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each run of `length` words, in order, (max(0, words - length + 1),)."""
    return _hashed_runs(_words(text), length)


def _shingles(text: bytes) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each distinct word 5-gram; a text of fewer words is one shingle."""
    words = _words(text)
    return np.unique(_hashed_runs(np.pad(words, (0, max(SHINGLE_WORDS - len(words), 0))), SHINGLE_WORDS))


def _words(text: bytes) -> NDArray[np.uint64]:
    """Return a 32-bit hash of each word, in order."""
    return np.array([zlib.crc32(word) for word in _WORD.findall(text)], dtype=np.uint64)


def _hashed_runs(words: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    count = max(len(words) - length + 1, 0)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(length):
        hashes = (hashes ^ words[place : place + count]) * _MIX
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _candidates(signatures: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the pairs (n, 2) that agree in a band, sorted, each once, smaller index first."""
    count = len(signatures)
    codes_by_band = [np.empty(0, dtype=np.int64)]
    for band in range(0, NUM_PERMUTATIONS, BAND_ROWS):
        keys = np.zeros(count, dtype=np.uint64)
        for row in range(band, band + BAND_ROWS):
            keys = (keys ^ signatures[:, row]) * _MIX
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        distance = 1
        while (equal := np.flatnonzero(keys[distance:] == keys[:-distance])).size:
            # A stable sort keeps the indices of equal keys in order, so the first is the smaller.
            codes_by_band.append(order[equal] * count + order[equal + distance])
            distance += 1
    codes = np.unique(np.concatenate(codes_by_band))
    return np.stack([codes // max(count, 1), codes % max(count, 1)], axis=1)
