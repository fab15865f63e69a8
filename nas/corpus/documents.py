"""The documents of a corpus: cleaned, without exact copies, with counts of what was excluded.

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
    """A text that is never split between training and evaluation: a .py file or a block of a text file.

    The text has no NUL character, so that NUL can end a document in every vocabulary.
    """

    name: str
    """Path relative to the source, with forward slashes; a block also has its number."""
    text: str
    package: str = ""
    split: str | None = None
    """The split that its source demands; None leaves the choice to the recipe."""

    @property
    def num_bytes(self) -> int:
        """Length of the text in UTF-8."""
        return len(self.text.encode())

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """The documents of a small corpus in memory, sorted by file name and then by position in the file."""

    documents: tuple[Document, ...]
    counts: dict[str, int]
    """`files_found`, `kept` (documents), and the count of each reason of EXCLUSION_REASONS that occurred."""

    @property
    def num_bytes(self) -> int:
        return sum(document.num_bytes for document in self.documents)


def read_corpus(corpus: str) -> Corpus:
    """Read all documents of a corpus that `find_recipe` knows, near-duplicates included.

    Raises CorpusError if the corpus does not exist or fewer than MIN_CORPUS_BYTES remain after cleaning.
    """
    recipe, counts = find_recipe(corpus), Counter[str]()
    read = Corpus(tuple(cleaned_documents(recipe, counts)), ordered_counts(counts))
    check_size(recipe, read.num_bytes, counts)
    return read


def cleaned_documents(
    recipe: CorpusRecipe, counts: Counter[str], progress: Callable[[str], None] = lambda line: None
) -> Iterator[Document]:
    """Yield the documents in the same order on every call, and add to `counts`.

    Only the first of several exact copies is yielded. Sources of the holdout are read first and those of validation
    next, so that a copy of an evaluation document is never trained on.
    """
    seen: set[str] = set()
    priority = {"holdout": 0, "validation": 1, "train": 2, None: 2}
    for source in sorted(recipe.sources, key=lambda source: priority[source.split]):
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
    """Return `files_found`, `kept`, and the reasons that occurred in the order of the steps."""
    return {key: counts.get(key, 0) for key in ("files_found", "kept")} | {
        key: counts[key] for key in EXCLUSION_REASONS if counts.get(key)
    }


def check_size(recipe: CorpusRecipe, num_bytes: int, counts: Mapping[str, int]) -> None:
    """Raise CorpusError with the counts if `num_bytes` is less than MIN_CORPUS_BYTES."""
    if num_bytes >= MIN_CORPUS_BYTES:
        return
    excluded = ", ".join(
        f"{counts[key]:,} {description}" for key, description in EXCLUSION_REASONS.items() if counts.get(key)
    )
    raise CorpusError(
        f"corpus '{recipe.name}' is too small: {num_bytes:,} bytes in {counts.get('kept', 0):,} documents, "
        f"at least {MIN_CORPUS_BYTES:,} bytes are needed (files found: {counts.get('files_found', 0):,}; "
        f"left out: {excluded or 'none'}); give a larger folder or text file, or use 'stdlib'"
    )
