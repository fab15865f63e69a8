"""The three splits of a corpus: train; validation, which a search may use; holdout, for verdicts only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from nas.corpus.copied_runs import copied_shares
from nas.corpus.spool import Entry, Spool
from nas.errors import CorpusError

EVALUATION_SHARE = 0.05
MAX_EVALUATION_SHARE = 0.15
MIN_EVALUATION_BYTES = 200_000
MAX_CLUSTER_SHARE = 0.1
"""Maximum share of an evaluation split for one cluster, so that a large family of near-duplicates cannot dominate."""

_MAX_ROUNDS = 20


@dataclass(frozen=True)
class Split:
    """Whole documents in hashed order, each in one split only."""

    train: tuple[Entry, ...]
    validation: tuple[Entry, ...]
    holdout: tuple[Entry, ...]
    left_over: tuple[Entry, ...] = ()
    """Documents of held-out groups that exceed the evaluation's length; they are not trained on."""


def split_entries(
    entries: Sequence[Entry],
    group_of: Callable[[Entry], object],
    max_bytes: int,
    max_cluster_share: float = 1,
) -> Split:
    """Split whole groups of documents in the order of their hashes.

    Validation and holdout each get EVALUATION_SHARE of the bytes, or MIN_EVALUATION_BYTES if that is more, but never
    more than `max_bytes` or MAX_EVALUATION_SHARE. A group over that share stays in train, as does a group of several
    documents with more than `max_cluster_share` of the target. If a group exceeds `max_bytes`, its rest is left over.

    The order depends on the contents and the seed, not on names or the given order. Validation is the front of it and
    holdout the back. If a corpus gains or loses a few files, only documents at the two borders move to or from train,
    and none moves between validation and holdout.

    Documents whose source names a split go there. If sources name a validation but no holdout, the back half of that
    validation becomes the holdout. Raises CorpusError if there are too few documents, or too uneven ones.
    """
    named: dict[str | None, list[Entry]] = {None: [], "train": [], "validation": [], "holdout": []}
    for entry in sorted(entries, key=lambda entry: entry.order):
        named[entry.split].append(entry)
    validation, holdout, rest = named["validation"], named["holdout"], named[None]
    if validation and not holdout:
        validation, holdout = _halves(validation)
    total = _num_bytes(entries)
    limit = MAX_EVALUATION_SHARE * total
    target = min(max(EVALUATION_SHARE * total, MIN_EVALUATION_BYTES), limit, max_bytes)
    max_cluster_bytes = min(limit, max_cluster_share * target) if max_cluster_share < 1 else limit
    groups = [group for group in _grouped(rest, group_of) if len(group) == 1 or _num_bytes(group) <= max_cluster_bytes]
    if not validation:
        validation, groups = _fill(groups, target, limit)
    if not holdout:
        holdout, _ = _fill(groups[::-1], target, limit)
        holdout = holdout[::-1]
    evaluated = {entry.index for entry in (*validation, *holdout)}
    train = [entry for entry in rest if entry.index not in evaluated] + named["train"]
    validation, validation_rest = _truncate(validation, max_bytes)
    holdout, holdout_rest = _truncate(holdout[::-1], max_bytes)
    if not (train and validation and holdout):
        raise CorpusError(
            f"{len(entries)} documents with {total:,} bytes cannot be split into train, validation and holdout; "
            "give more and smaller files "
            f"(validation and holdout each get at most {MAX_EVALUATION_SHARE:.0%} of the bytes)"
        )
    return Split(tuple(train), tuple(validation), tuple(holdout[::-1]), (*validation_rest, *holdout_rest))


def split_without_copies(
    entries: Sequence[Entry],
    split_once: Callable[[Sequence[Entry]], Split],
    spool: Spool,
    progress: Callable[[str], None],
    max_copied_share: float,
) -> tuple[Split, int]:
    """Split so that no evaluation document is copied from training text; also return how many documents moved.

    Evaluation documents of which `max_copied_share` or more occurs in training text move to training, and the entries
    are split again, until there are none. Documents whose source names a split stay there. The last split stands, with
    copies in evaluation that the manifest reports, if all evaluation documents are copied, if some still are after
    _MAX_ROUNDS, or if the other documents cannot be split.
    """
    moved: set[int] = set()
    split = split_once(entries)
    for _ in range(_MAX_ROUNDS):
        evaluation = [entry for entry in (*split.validation, *split.holdout) if entry.split is None]
        shares = copied_shares([*map(spool.data, evaluation)], map(spool.data, split.train))
        copied = {entry.index for entry, share in zip(evaluation, shares, strict=True) if share >= max_copied_share}
        if not copied or len(copied) == len(evaluation):
            break
        progress(f"{len(copied)} of {len(evaluation)} evaluation documents are copied from training text; moving them")
        try:
            split = split_once(
                [replace(entry, split="train") if entry.index in moved | copied else entry for entry in entries]
            )
        except CorpusError:
            break
        moved |= copied
    return split, len(moved)


def _grouped(entries: Iterable[Entry], group_of: Callable[[Entry], object]) -> list[list[Entry]]:
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(group_of(entry), []).append(entry)
    return sorted(groups.values(), key=_order)


def _order(group: list[Entry]) -> str:
    if len(group) == 1:
        return group[0].order
    # The hash of all hashes, because their minimum would bring large groups to the front.
    return hashlib.sha256("".join(sorted(entry.order for entry in group)).encode()).hexdigest()


def _fill(groups: list[list[Entry]], target: float, limit: float) -> tuple[list[Entry], list[list[Entry]]]:
    """Return the first groups that reach `target` bytes within `limit`, and the other groups."""
    chosen: list[Entry] = []
    others = []
    num_bytes = 0
    for group in groups:
        size = _num_bytes(group)
        if num_bytes < target and num_bytes + size <= limit:
            chosen += group
            num_bytes += size
        else:
            others.append(group)
    return chosen, others


def _num_bytes(entries: Iterable[Entry]) -> int:
    return sum(entry.num_bytes for entry in entries)


def _halves(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return the front and the back half of the bytes; a single document becomes the back."""
    total, front = _num_bytes(entries), 0
    for number, entry in enumerate(entries[:-1], start=1):
        front += entry.num_bytes
        if 2 * front >= total:
            return entries[:number], entries[number:]
    return entries[:-1], entries[-1:]


def _truncate(entries: list[Entry], max_bytes: int) -> tuple[list[Entry], list[Entry]]:
    """Return the first documents within `max_bytes`, at least one, and the others."""
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
