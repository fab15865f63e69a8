"""Runs of words that are copied from other text, which the similarity of whole documents does not show.

A file that was assembled from parts of several others is similar to none of them, although a model that was trained
on all of them knows its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nas.corpus.near_duplicates import word_runs

RUN_WORDS = 8
"""Length of a run in words: long enough that common idioms do not count as copies."""
COPY_SHARE = 0.5
"""A document counts as copied if at least this share of its runs occurs in training text."""


def copied_shares(documents: Sequence[bytes], training: Iterable[bytes]) -> NDArray[np.float64]:
    """Return for each document the share of its runs of words that occur in `training`.

    The share of a document shorter than a run is 0. `training` is read once; only the runs of `documents` are held in
    memory. A copy whose names were all changed is not noticed.
    """
    runs = [word_runs(text, RUN_WORDS) for text in documents]
    known = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *runs]))
    seen = np.zeros(len(known), dtype=bool)
    for text in training:
        # By hand: np.isin would sort all known runs again for every text.
        hashes = np.unique(word_runs(text, RUN_WORDS))
        places = np.searchsorted(known, hashes)
        within = places < len(known)
        seen[places[within][known[places[within]] == hashes[within]]] = True
    return np.array([seen[np.searchsorted(known, hashes)].mean() if len(hashes) else 0.0 for hashes in runs])
