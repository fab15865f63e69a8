"""A split whose evaluation is not made of training text: documents that are change sides, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from nas.corpus.copied_runs import copied_shares
from nas.corpus.split import Split
from nas.corpus.spool import Entry, Spool
from nas.errors import CorpusError

_MAX_ROUNDS = 20


def split_without_copies(
    entries: Sequence[Entry],
    cut: Callable[[Sequence[Entry]], Split],
    spool: Spool,
    say: Callable[[str], None],
    at_least: float,
) -> tuple[Split, int]:
    """`cut` the entries; evaluation documents copied `at_least` so much are trained on, and others judged.

    Also how many changed sides. Documents that their source has placed stay where they are. Where a corpus is so
    repetitive that all are copied, that some are after _MAX_ROUNDS, or that the others could not be split, those stay
    in evaluation: the manifest says how much of them is copied.
    """
    moved: set[int] = set()
    split = cut(entries)
    for _ in range(_MAX_ROUNDS):
        evaluation = [entry for entry in (*split.validation, *split.holdout) if entry.split is None]
        shares = copied_shares([*map(spool.data, evaluation)], map(spool.data, split.train))
        copied = {entry.index for entry, share in zip(evaluation, shares, strict=True) if share >= at_least}
        if not copied or len(copied) == len(evaluation):
            break
        say(f"{len(copied)} of {len(evaluation)} evaluation documents are made of training text and change sides")
        try:
            trained = [replace(one, split="train") if one.index in moved | copied else one for one in entries]
            split = cut(trained)
        except CorpusError:
            break
        moved |= copied
    return split, len(moved)
