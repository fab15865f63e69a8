"""The three splits of a corpus: train; validation, which a search may look at; holdout, for verdicts only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nas.corpus.spool import Entry
from nas.errors import CorpusError

EVALUATION_SHARE = 0.05
MAX_EVALUATION_SHARE = 0.15
MIN_EVALUATION_BYTES = 200_000
MAX_CLUSTER_SHARE = 0.1
"""Of an evaluation's length: one large family of near-copies must not be half of what is judged."""


@dataclass(frozen=True)
class Split:
    """Whole documents, each in one split only, in hashed order."""

    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    holdout: tuple[Entry, ...]
    left_over: tuple[Entry, ...] = ()
    """Of groups that are held out, what exceeds the evaluation's length; not to be trained on."""


def split_entries(
    entries: Sequence[Entry],
    group_of: Callable[[Entry], object],
    max_bytes: int,
    max_cluster_share: float = 1,
) -> Split:
    """Split by whole groups of documents, in the order of their hashes.

    Validation and holdout each get EVALUATION_SHARE of the bytes, or MIN_EVALUATION_BYTES where that is more, but
    never over `max_bytes` nor MAX_EVALUATION_SHARE; a group over that share stays in train, as does one of several
    documents with more than `max_cluster_share` of the target; of one that is over `max_bytes` the rest is left over.

    The order depends on contents and the seed, not on names or on the order given. Validation is taken from its
    front and holdout from its back, so when a corpus gains or loses a few files only documents at the two borders
    move, to or from train, not from validation to holdout.

    Documents whose source says where they belong go there; a validation named so gives its back half to the holdout
    when no source is the holdout. Raises CorpusError when the documents are too few or too uneven to fill all three.
    """
    named: dict[str | None, list[Entry]] = {None: [], "train": [], "validation": [], "holdout": []}
    for entry in sorted(entries, key=lambda one: one.order):
        named[entry.split].append(entry)
    validation, holdout, rest = named["validation"], named["holdout"], named[None]
    if validation and not holdout:
        validation, holdout = _halves(validation)
    total = _num_bytes(entries)
    most = MAX_EVALUATION_SHARE * total
    target = min(max(EVALUATION_SHARE * total, MIN_EVALUATION_BYTES), most, max_bytes)
    max_cluster_bytes = min(most, max_cluster_share * target) if max_cluster_share < 1 else most
    groups = [group for group in _grouped(rest, group_of) if len(group) == 1 or _num_bytes(group) <= max_cluster_bytes]
    if not validation:
        validation, groups = _take(groups, target, most)
    if not holdout:
        holdout, _ = _take(groups[::-1], target, most)
        holdout = holdout[::-1]
    evaluated = {entry.index for entry in (*validation, *holdout)}
    train = [entry for entry in rest if entry.index not in evaluated] + named["train"]
    validation, too_long = _cut(validation, max_bytes)
    holdout, too_long_too = _cut(holdout[::-1], max_bytes)
    if not (train and validation and holdout):
        raise CorpusError(
            f"{len(entries)} documents with {total:,} bytes cannot be split into train, validation and holdout; "
            f"use more and smaller files (at most {MAX_EVALUATION_SHARE:.0%} of the bytes go to each of the last two)"
        )
    return Split(tuple(train), tuple(validation), tuple(holdout[::-1]), (*too_long, *too_long_too))


def _grouped(entries: Iterable[Entry], group_of: Callable[[Entry], object]) -> list[list[Entry]]:
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(group_of(entry), []).append(entry)
    return sorted(groups.values(), key=_order)


def _order(group: list[Entry]) -> str:
    """A document's own hash; of several the hash of all: the least of many would bring large groups to the front."""
    if len(group) == 1:
        return group[0].order
    return hashlib.sha256("".join(sorted(entry.order for entry in group)).encode()).hexdigest()


def _take(groups: list[list[Entry]], target: float, most: float) -> tuple[list[Entry], list[list[Entry]]]:
    """The first groups that reach `target` bytes and do not exceed `most`; and the others."""
    taken: list[Entry] = []
    others = []
    num_bytes = 0
    for group in groups:
        size = _num_bytes(group)
        if num_bytes < target and num_bytes + size <= most:
            taken += group
            num_bytes += size
        else:
            others.append(group)
    return taken, others


def _num_bytes(entries: Iterable[Entry]) -> int:
    return sum(entry.num_bytes for entry in entries)


def _halves(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The front and the back half of the bytes; one document is too few for both."""
    total, front = _num_bytes(entries), 0
    for number, entry in enumerate(entries[:-1], start=1):
        front += entry.num_bytes
        if 2 * front >= total:
            return entries[:number], entries[number:]
    return entries[:-1], entries[-1:]


def _cut(entries: list[Entry], max_bytes: int) -> tuple[list[Entry], list[Entry]]:
    """The first documents within `max_bytes`, at least one; and the others."""
    kept: list[Entry] = []
    others = []
    num_bytes = 0
    for entry in entries:
        if not kept or num_bytes + entry.num_bytes <= max_bytes:
            kept.append(entry)
            num_bytes += entry.num_bytes
        else:
            others.append(entry)
    return kept, others
