"""Preparing data: a source becomes a complete folder of the cache, or is found there.

Reading, filtering, de-duplication, the split, training of vocabularies on the train split, encoding.
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

_OTHER_FOLDER = "build the corpus in a writable folder with enough room, named with --out"


def say(line: str) -> None:
    """Progress for people, out of the way of what a command prints."""
    print(line, file=sys.stderr, flush=True)


def prepare_data(
    source: str | CorpusRecipe,
    vocabularies: Sequence[str | Vocabulary],
    *,
    split_seed: int = 0,
    cache: Path | None = None,
    progress: Callable[[str], None] = say,
) -> PreparedData:
    """Build a corpus, train tokenizers and encode it; or find all that in the cache.

    `source` is a recipe, what `find_recipe` reads, or the folder of a corpus that was built. `vocabularies` are
    `bytes`, `char`, `bpe-N` and `gpt2`, trained or fetched here, and any that is at hand, which has its `file_name` in
    what is returned. Later calls add vocabularies and leave those there as they are. A folder that was built keeps its
    own seed, and is not compared with its sources, which may be gone.

    Raises UsageError for a vocabulary's name, CorpusError for the corpus, CacheError for the cache.
    """
    if isinstance(source, CorpusRecipe):
        return prepare_corpus(source, vocabularies, split_seed=split_seed, cache=cache, progress=progress)
    if not is_built_corpus(source):
        recipe = find_recipe(source)
        return prepare_corpus(
            recipe, vocabularies, source=source, split_seed=split_seed, cache=cache, progress=progress
        )
    folder = Path(source).expanduser()
    stored_seed = read_manifest(folder)["split_seed"]
    wanted = _Wanted(read_recipe(folder / MANIFEST), source, stored_seed, tuple(vocabularies))
    with _writable(f"the corpus folder {folder}", _OTHER_FOLDER):
        return _prepare(folder, wanted, progress)


def prepare_corpus(
    recipe: CorpusRecipe,
    vocabularies: Sequence[str | Vocabulary],
    *,
    source: str | None = None,
    split_seed: int = 0,
    folder: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[str], None] = say,
) -> PreparedData:
    """As `prepare_data`, of a recipe; `source` is what the user called it, if anything.

    In `folder`, or in the cache, where the key is what the recipe and the content of its sources say, and the seed:
    a corpus of pinned wheels is found without reading one. Any number of processes may call this at once. A damaged
    folder is built again, and `progress` told so. UsageError for a `folder` that holds anything else.
    """
    wanted = _Wanted(recipe, source, split_seed, tuple(vocabularies))
    if folder is None:
        root = cache or cache_root()
        with _writable(f"the data cache {root}", "set CODENAS_CACHE to a writable folder with enough room"):
            return _prepare(root / wanted.cache_key, wanted, progress)

    with _writable(f"the corpus folder {folder}", _OTHER_FOLDER):
        check = partial(check_out_folder, folder, recipe, wanted.source_hashes, split_seed)
        check()  # before the lock, whose file would stay
        return _prepare(folder, wanted, progress, check)


@dataclass(frozen=True)
class _Wanted:
    """What a folder is to hold; UsageError for a vocabulary's name."""

    recipe: CorpusRecipe
    source: str | None
    split_seed: int
    vocabularies: tuple[str | Vocabulary, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in self.given:
                bpe_size(name)

    @cached_property
    def given(self) -> dict[str, Vocabulary]:
        """The vocabularies that are at hand."""
        return {one.file_name: one for one in self.vocabularies if isinstance(one, Vocabulary)}

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one if isinstance(one, str) else one.file_name for one in self.vocabularies))

    @cached_property
    def digest(self) -> dict[str, Any]:
        """Reads each local source once."""
        return self.recipe.digest()

    @property
    def source_hashes(self) -> list[str]:
        return [content for content, _ in self.digest["sources"]]

    @property
    def cache_key(self) -> str:
        key = json.dumps([FORMAT_VERSION, self.digest, self.split_seed], sort_keys=True)
        return hashlib.sha256(key.encode()).hexdigest()[:16]


def is_built_corpus(source: str) -> bool:
    """Whether `source` is the folder of a corpus that was built."""
    try:
        return bool(source.strip()) and read_manifest(Path(source).expanduser()).keys() >= MANIFEST_KEYS
    except (CacheError, RuntimeError):
        return False


def describe_corpus(source: str) -> str:
    """What a corpus is, in a few words, with nothing fetched or written; CorpusError when it cannot be used."""
    if is_built_corpus(source):
        splits = read_manifest(Path(source).expanduser())["splits"].values()
        return (
            f"{sum(one['bytes'] for one in splits) / 1e6:.1f} MB in {sum(one['documents'] for one in splits)} documents"
        )
    recipe = find_recipe(source)
    if any(isinstance(one, WheelSource) for one in recipe.sources):
        return recipe.description
    corpus = read_corpus(source)
    return f"{corpus.num_bytes / 1e6:.1f} MB in {len(corpus.documents)} documents"


def _prepare(
    folder: Path, wanted: _Wanted, progress: Callable[[str], None], check: Callable[[], None] = lambda: None
) -> PreparedData:
    """Bring the folder to hold what is wanted; `check` is asked again when no other process can write there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder, progress), parallel_tokenizers():
        check()
        _complete(folder, wanted, progress)
    return PreparedData(folder, wanted.names)


def _complete(folder: Path, wanted: _Wanted, progress: Callable[[str], None]) -> None:
    """Add to what is there and is sound."""
    remove_leftovers(folder)
    names: Sequence[str] = wanted.names
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
        manifest = _write_texts(folder, wanted, progress)
        kept = sum(one["bytes"] for one in manifest["splits"].values())
        progress(f"corpus '{wanted.recipe.name}': {kept:,} bytes in {manifest['counts']['kept']:,} documents")
    missing = [name for name in dict.fromkeys(names) if name not in manifest["vocabularies"]]
    if missing:
        add_vocabularies(folder, manifest, missing, wanted.given, progress)
    if missing or not (folder / MANIFEST).exists():
        write_json(folder / MANIFEST, manifest)


def _write_texts(folder: Path, wanted: _Wanted, progress: Callable[[str], None]) -> dict[str, Any]:
    """Write the three splits and begin the manifest."""
    recipe, seed = wanted.recipe, wanted.split_seed
    source = wanted.source or str(folder / MANIFEST)
    source_hashes = wanted.source_hashes  # first: of sources that change meanwhile the next build sees another corpus
    (folder / MANIFEST).unlink(missing_ok=True)
    built = build_texts(recipe, folder, seed, progress)
    hashes = [built["files"][text_file(split)]["sha256"] for split in SPLITS]
    by_package = ["--split", "package"] if recipe.split.by == "package" else []
    return {
        "format": FORMAT_VERSION,
        "source": source,
        "command": shlex.join(["python", "-m", "nas.corpus", "build", source, *by_package, "--seed", str(seed)]),
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
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        reason = getattr(error, "strerror", None) or error
        raise CacheError(f"cannot use {place}: {reason}; {advice}") from None


@contextmanager
def _locked(folder: Path, progress: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(f"{folder.absolute()}.lock")  # beside it, for a folder called "." too
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress(f"another process is preparing {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
