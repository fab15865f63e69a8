"""How much of a document stands word for word in other text, wherever there: what similarity of whole documents misses.

A file that was put together from parts of several others is like none of them, and yet known to who read them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nas.corpus.near_duplicates import word_runs

RUN_WORDS = 8
"""Words in a row that must be the same: long enough that common idioms are no copies."""
COPY_SHARE = 0.5
"""A document is copied where this share of its runs stands in training text."""


def copied_shares(documents: Sequence[bytes], training: Iterable[bytes]) -> NDArray[np.float64]:
    """For each of `documents` the share of its runs of words that stand in `training`, which is read once.

    0 for a document of fewer words than a run. Memory is that of the runs of `documents`. Names and layout that were
    changed throughout hide a copy.
    """
    runs = [word_runs(text, RUN_WORDS) for text in documents]
    known = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *runs]))
    seen = np.zeros(len(known), dtype=bool)
    for text in training:
        found = np.unique(word_runs(text, RUN_WORDS))
        places = np.searchsorted(known, found)
        within = places < len(known)
        places = places[within]
        seen[places[known[places] == found[within]]] = True
    return np.array([seen[np.searchsorted(known, one)].mean() if len(one) else 0.0 for one in runs])
