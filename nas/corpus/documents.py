"""A corpus: the documents of its sources, cleaned and without exact copies, with an account of what was left out.

Files are read as text and hashed. Nothing in them is ever imported or run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nas.corpus.cleaning import EXCLUSION_REASONS, Excluded, clean
from nas.corpus.recipe import CorpusRecipe, find_recipe
from nas.errors import CorpusError

MIN_CORPUS_BYTES = 1_000_000


@dataclass(frozen=True)
class Document:
    """One unit of text, never split between training and evaluation: a .py file or a block of a text file.

    The text holds no NUL character, so that NUL can end a document in every vocabulary.
    """

    name: str
    """Path below the source, with forward slashes; a block carries its number as well."""
    text: str
    package: str = ""
    split: str | None = None
    """Where its source puts it; None leaves that to the recipe."""

    @property
    def num_bytes(self) -> int:
        """Length in UTF-8."""
        return len(self.text.encode())

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """The documents of a small corpus in memory, sorted by the name of their file and then by their place in it."""

    documents: tuple[Document, ...]
    counts: dict[str, int]
    """`files_found`, `kept` (documents), and one count for each reason of EXCLUSION_REASONS that occurred."""

    @property
    def num_bytes(self) -> int:
        return sum(document.num_bytes for document in self.documents)


def read_corpus(source: str) -> Corpus:
    """All documents of what a user gives as a corpus, near-duplicates with them.

    Raises CorpusError when nothing is there, or when less than MIN_CORPUS_BYTES remain.
    """
    recipe, counts = find_recipe(source), Counter[str]()
    corpus = Corpus(tuple(cleaned_documents(recipe, counts)), ordered_counts(counts))
    check_size(recipe, corpus.num_bytes, counts)
    return corpus


def cleaned_documents(
    recipe: CorpusRecipe, counts: Counter[str], progress: Callable[[str], None] = lambda line: None
) -> Iterator[Document]:
    """One document after the other, the same ones in the same order on every call; `counts` is added to.

    Exact copies are left out; the first one stays. One of a source that has a split of its own comes before others,
    evaluation first, so that a copy of it is not trained on.
    """
    seen: set[str] = set()
    priority = {"holdout": 0, "validation": 1, "train": 2, None: 2}
    for source in sorted(recipe.sources, key=lambda one: priority[one.split]):
        for raw in source.read(progress):
            counts["files_found"] += not raw.is_block or raw.name.endswith(":000000")
            document = Document(raw.name, "", raw.package, source.split)
            try:
                document = Document(raw.name, clean(raw, recipe.cleaning), raw.package, source.split)
            except Excluded as reason:
                counts[str(reason)] += 1
                continue
            content = document.content_hash
            if content in seen:
                counts["duplicates"] += 1
                continue
            seen.add(content)
            counts["kept"] += 1
            yield document


def ordered_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """`files_found`, `kept`, then the reasons that occurred, in the order of the steps."""
    return {key: counts.get(key, 0) for key in ("files_found", "kept")} | {
        key: counts[key] for key in EXCLUSION_REASONS if counts.get(key)
    }


def check_size(recipe: CorpusRecipe, num_bytes: int, counts: Mapping[str, int]) -> None:
    """CorpusError with what was found and left out when `num_bytes` are fewer than MIN_CORPUS_BYTES."""
    if num_bytes >= MIN_CORPUS_BYTES:
        return
    left_out = ", ".join(f"{counts[key]:,} {words}" for key, words in EXCLUSION_REASONS.items() if counts.get(key))
    raise CorpusError(
        f"corpus '{recipe.name}' is too small: {num_bytes:,} bytes in {counts.get('kept', 0):,} documents, "
        f"at least {MIN_CORPUS_BYTES:,} are needed (files found: {counts.get('files_found', 0):,}; "
        f"left out: {left_out or 'none'}); name a larger folder or text file, or use 'stdlib'"
    )
