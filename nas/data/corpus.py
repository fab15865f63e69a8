"""A corpus: the documents of a source, cleaned and de-duplicated, with an account of what was left out.

Files are read as text and hashed. Nothing in them is ever imported or run.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.errors import CorpusError

STDLIB = "stdlib"
MIN_CORPUS_BYTES = 1_000_000
MAX_CODE_BYTES = 1 << 20
"""A larger .py file is data or generated."""
MAX_TEXT_BYTES = 1 << 30
"""A text file is read whole into memory."""
BLOCK_CHARS = 1 << 14

# Whole folders of the standard library that are not code as people write it: its tests, copies of
# installed packages, and tables written by programs.
STDLIB_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data"}
)
# The second one is the configuration of one build, full of its paths.
STDLIB_SKIPPED_FILES = ("test_", "_sysconfigdata_")

LEFT_OUT = {
    "unreadable": "unreadable",
    "too_large": f"too large (over {MAX_CODE_BYTES >> 20} MiB for .py, {MAX_TEXT_BYTES >> 30} GiB for other text)",
    "undecodable": "not UTF-8",
    "with_nul": "with NUL characters",
    "empty": "empty",
    "duplicates": "exact duplicates",
}
"""Why a file or a document was left out: the keys of `Corpus.counts`, in words."""


@dataclass(frozen=True)
class Document:
    """One unit of text, never split between training and evaluation: a .py file or a block of a text file.

    The text holds no NUL character, so that NUL can end a document in every vocabulary.
    """

    name: str
    """Path below the source, with forward slashes; a block carries its number as well."""
    text: str

    @property
    def num_bytes(self) -> int:
        """Length in UTF-8."""
        return len(self.text.encode())

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Corpus:
    """Distinct documents, sorted by the name of their file and then by their place in it."""

    source: str
    """As the user gave it."""
    documents: tuple[Document, ...]
    counts: dict[str, int]
    """`files_found`, `kept` (documents), and one count for each key of LEFT_OUT."""

    @property
    def num_bytes(self) -> int:
        return sum(document.num_bytes for document in self.documents)

    @property
    def content_hash(self) -> str:
        """SHA-256 over the names and contents: where the folder lies makes no difference."""
        digest = hashlib.sha256()
        for document in self.documents:
            digest.update(f"{document.name}\0{document.content_hash}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def read_corpus(source: str) -> Corpus:
    """Read the documents of `source`, the same ones in the same order on every call.

    `source` is one of
    - `stdlib`, the standard library of the running interpreter without its tests;
    - a folder: each .py file below it is a document, hidden folders and links to folders left out;
    - a glob pattern: matching folders as above, matching files each for itself;
    - a file, cut at line ends into blocks of about 16 KB, each a document.

    Within a folder or pattern a .py file is one document and any other file is cut into blocks.
    Windows line ends become newlines and a byte order mark is dropped. Raises CorpusError when
    nothing is there, or when less than MIN_CORPUS_BYTES remain.
    """
    try:
        root, paths = _find_files(source)
    except (OSError, RuntimeError, ValueError, NotImplementedError) as error:
        raise CorpusError(f"cannot read corpus '{source}': {getattr(error, 'strerror', None) or error}") from None
    alone = paths == [root]
    named = {path.name if alone else path.relative_to(root).as_posix(): path for path in paths}
    counts = Counter({"files_found": len(paths)})
    seen: set[str] = set()
    documents = []
    for name in sorted(named):
        for document in _read_file(named[name], name, whole=named[name].suffix == ".py" and not alone, counts=counts):
            content = document.content_hash
            if content in seen:
                counts["duplicates"] += 1
                continue
            seen.add(content)
            documents.append(document)
    counts["kept"] = len(documents)
    corpus = Corpus(source, tuple(documents), {key: counts[key] for key in ("files_found", "kept", *LEFT_OUT)})
    if corpus.num_bytes < MIN_CORPUS_BYTES:
        raise CorpusError(_too_small(corpus))
    return corpus


def _find_files(source: str) -> tuple[Path, list[Path]]:
    """The root that names are relative to, and the files; the root itself when it is a single file."""
    if source == STDLIB:
        root = Path(sysconfig.get_path("stdlib"))
        return root, _stdlib_files(root)
    if not source.strip():
        raise CorpusError(f"the corpus has no name; give a folder, a file, a pattern or '{STDLIB}'")
    path = Path(source).expanduser()
    if path.is_dir():
        return path, list(_code_below(path))
    if path.exists():
        return path, [path]
    if any(character in source for character in "*?["):
        root, paths = _match(path)
        if paths:
            return root, paths
        raise CorpusError(f"no file matches the corpus pattern '{source}'; quote it so that the shell leaves it alone")
    raise CorpusError(f"corpus '{source}' does not exist; give a folder, a file, a pattern or '{STDLIB}'")


def _stdlib_files(root: Path) -> list[Path]:
    paths = [
        path
        for path in _code_below(root)
        if not STDLIB_SKIPPED_FOLDERS.intersection(path.relative_to(root).parts)
        and not path.name.startswith(STDLIB_SKIPPED_FILES)
    ]
    if not paths:
        raise CorpusError(
            f"the standard library at {root} has no .py files (as in Python's embeddable zip for Windows); "
            "name a folder of Python code as the corpus"
        )
    return paths


def _code_below(root: Path) -> Iterator[Path]:
    """All .py files below a folder. Links to folders are not followed, so that a loop cannot hang it."""
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if _is_visible(name)]
        yield from (Path(folder, name) for name in files if name.endswith(".py") and _is_visible(name))


def _match(pattern: Path) -> tuple[Path, list[Path]]:
    """The folder above the first wildcard, and the files that match below it."""
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if any(character in part for character in "*?["))
    root = Path(*parts[:first])
    found: set[Path] = set()
    for path in root.glob(str(Path(*parts[first:]))):
        if not all(_is_visible(part) for part in path.relative_to(root).parts):
            continue
        found.update(_code_below(path) if path.is_dir() else [path])
    return root, sorted(found)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__pycache__"


def _read_file(path: Path, name: str, *, whole: bool, counts: Counter[str]) -> Iterator[Document]:
    """The documents of one file; what is left out is added to `counts`."""
    text = _read_text(path, MAX_CODE_BYTES if whole else MAX_TEXT_BYTES, counts)
    if text is None:
        return
    pieces = [(name, text)] if whole or not text else _cut_into_blocks(text, name)
    for piece_name, piece in pieces:
        if "\0" in piece:
            counts["with_nul"] += 1
        elif not piece.strip():
            counts["empty"] += 1
        else:
            yield Document(piece_name, piece)


def _read_text(path: Path, max_bytes: int, counts: Counter[str]) -> str | None:
    try:
        if not path.is_file():  # a dangling link, or a pipe that would never end
            counts["unreadable"] += 1
            return None
        if path.stat().st_size > max_bytes:
            counts["too_large"] += 1
            return None
        data = path.read_bytes()
    except OSError:
        counts["unreadable"] += 1
        return None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        counts["undecodable"] += 1
        return None


def _cut_into_blocks(text: str, name: str) -> Iterator[tuple[str, str]]:
    """Cut after the last newline of every BLOCK_CHARS characters; a longer line is cut where the block is full."""
    start = number = 0
    while start < len(text):
        full = start + BLOCK_CHARS
        end = full if full >= len(text) else text.rfind("\n", start, full) + 1 or full
        yield f"{name}:{number:06d}", text[start:end]
        start, number = end, number + 1


def _too_small(corpus: Corpus) -> str:
    counts = corpus.counts
    left_out = ", ".join(f"{counts[key]:,} {words}" for key, words in LEFT_OUT.items() if counts[key])
    return (
        f"corpus '{corpus.source}' is too small: {corpus.num_bytes:,} bytes in {counts['kept']:,} documents, "
        f"at least {MIN_CORPUS_BYTES:,} are needed (files found: {counts['files_found']:,}; "
        f"left out: {left_out or 'none'}); name a larger folder or text file, or use '{STDLIB}'"
    )
