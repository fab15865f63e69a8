"""Preparing data: a source becomes a complete folder of the cache, or is found there.

Reading, filtering, de-duplication, the split, training of vocabularies on the train split, encoding.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nas import __version__
from nas.data.build import build_texts
from nas.data.cache import cache_root
from nas.data.corpus import read_corpus
from nas.data.corpus_recipe import CorpusRecipe, find_recipe, read_recipe
from nas.data.encode import add_vocabularies, parallel_tokenizers
from nas.data.prepared import (
    MANIFEST,
    MANIFEST_KEYS,
    SPLITS,
    PreparedData,
    find_damage,
    read_manifest,
    text_file,
)
from nas.data.sources import WheelSource
from nas.data.vocabulary import (
    FILE_PREFIX,
    Vocabulary,
    bpe_size,
)
from nas.errors import CacheError
from nas.files import remove_leftovers, write_json

FORMAT_VERSION = 3
"""Part of the cache key: raise it whenever the same source would give other files."""


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
    what is returned. Later calls add vocabularies and leave those there as they are.

    Raises UsageError for a vocabulary's name, CorpusError for the corpus, CacheError for the cache.
    """
    folder, recipe, name = None, source, None
    if isinstance(recipe, str):
        name = recipe
        folder = Path(name).expanduser() if is_built(name) else None
        recipe = read_recipe(folder / MANIFEST) if folder else find_recipe(name)
    return prepare_corpus(
        recipe, vocabularies, source=name, split_seed=split_seed, folder=folder, cache=cache, progress=progress
    )


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
    folder is built again, and `progress` told so.
    """
    given = {one.file_name: one for one in vocabularies if isinstance(one, Vocabulary)}
    names = tuple(dict.fromkeys(one if isinstance(one, str) else one.file_name for one in vocabularies))
    for name in names:
        if name not in given:
            bpe_size(name)
    root = cache or cache_root()
    try:
        if folder is None:
            key = json.dumps([FORMAT_VERSION, recipe.digest(), split_seed], sort_keys=True)
            folder = root / hashlib.sha256(key.encode()).hexdigest()[:16]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, progress), parallel_tokenizers():
            _complete(folder, recipe, names, given, source or str(folder / MANIFEST), split_seed, progress)
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        reason = getattr(error, "strerror", None) or error
        raise CacheError(
            f"cannot use the data cache {root}: {reason}; set CODENAS_CACHE to a writable folder with enough room"
        ) from None
    return PreparedData(folder, names)


def is_built(source: str) -> bool:
    """Whether `source` is the folder of a corpus that was built."""
    try:
        return bool(source.strip()) and read_manifest(Path(source).expanduser()).keys() >= MANIFEST_KEYS
    except (CacheError, RuntimeError):
        return False


def describe_corpus(source: str) -> str:
    """What a corpus is, in a few words, with nothing fetched or written; CorpusError when it cannot be used."""
    if is_built(source):
        splits = read_manifest(Path(source).expanduser())["splits"].values()
        return (
            f"{sum(one['bytes'] for one in splits) / 1e6:.1f} MB in {sum(one['documents'] for one in splits)} documents"
        )
    recipe = find_recipe(source)
    if any(isinstance(one, WheelSource) for one in recipe.sources):
        return recipe.description
    corpus = read_corpus(source)
    return f"{corpus.num_bytes / 1e6:.1f} MB in {len(corpus.documents)} documents"


def _complete(
    folder: Path,
    recipe: CorpusRecipe,
    names: Sequence[str],
    given: Mapping[str, Vocabulary],
    source: str,
    split_seed: int,
    progress: Callable[[str], None],
) -> None:
    """Bring the folder to hold `names`, adding to what is there and is sound."""
    remove_leftovers(folder)
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
        manifest = _write_texts(folder, recipe, source, split_seed, progress)
        kept = sum(one["bytes"] for one in manifest["splits"].values())
        progress(f"corpus '{recipe.name}': {kept:,} bytes in {manifest['counts']['kept']:,} documents")
    missing = [name for name in dict.fromkeys(names) if name not in manifest["vocabularies"]]
    if missing:
        add_vocabularies(folder, manifest, missing, given, progress)
    if missing or not (folder / MANIFEST).exists():
        write_json(folder / MANIFEST, manifest)


def _write_texts(
    folder: Path, recipe: CorpusRecipe, source: str, split_seed: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Write the three splits and begin the manifest."""
    (folder / MANIFEST).unlink(missing_ok=True)
    built = build_texts(recipe, folder, split_seed, progress)
    hashes = [built["files"][text_file(split)]["sha256"] for split in SPLITS]
    by_package = ["--split", "package"] if recipe.split.by == "package" else []
    return {
        "format": FORMAT_VERSION,
        "source": source,
        "command": shlex.join(["python", "-m", "nas.corpus", "build", source, *by_package, "--seed", str(split_seed)]),
        "recipe": recipe.model_dump(mode="json", exclude_none=True),
        "revisions": recipe.revisions(),
        "versions": {"python": platform.python_version(), "codenas": __version__, "numpy": version("numpy")},
        "content_hash": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        "split_seed": split_seed,
        "vocabularies": {},
        **built,
    }


@contextmanager
def _locked(folder: Path, progress: Callable[[str], None]) -> Iterator[None]:
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress(f"another process is preparing {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
