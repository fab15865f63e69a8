"""Preparing data: a source becomes a complete folder of the cache, or is found there.

Reading, filtering, de-duplication, the split, training of vocabularies on the train split, encoding.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from nas.data.corpus import Corpus, read_corpus
from nas.data.gpt2 import GPT2, fetch_gpt2
from nas.data.prepared import (
    MANIFEST,
    SPLITS,
    PreparedData,
    find_damage,
    join_documents,
    read_documents,
    read_manifest,
    text_file,
    tokens_file,
    vocabulary_file,
)
from nas.data.split import split_documents
from nas.data.vocabulary import FILE_PREFIX, TokenArray, Vocabulary, bpe_size, train_bpe, train_char
from nas.errors import CacheError
from nas.files import remove_leftovers, write_atomically, write_json

FORMAT_VERSION = 1
"""Part of the cache key: raise it whenever the same source would give other files."""


def say(line: str) -> None:
    """Progress for people, out of the way of what a command prints."""
    print(line, file=sys.stderr, flush=True)


def prepare_data(
    source: str,
    vocabularies: Sequence[str | Vocabulary],
    *,
    split_seed: int = 0,
    cache: Path | None = None,
    progress: Callable[[str], None] = say,
) -> PreparedData:
    """Read, filter, de-duplicate and split a corpus, train tokenizers and encode it; or find all that in the cache.

    `vocabularies` are `bytes`, `char`, `bpe-N` and `gpt2`, trained or fetched here, and any that is at hand, which
    has its `file_name` in what is returned. The cache is `cache`, else $CODENAS_CACHE, else
    $XDG_CACHE_HOME/codenas, else ~/.cache/codenas; its key is the content of the corpus and the seed.
    Later calls add vocabularies and leave those there as they are. Any number of processes may call
    this at once. A damaged folder is built again, and `progress` told so.

    Raises UsageError for a vocabulary's name, CorpusError for the corpus, CacheError for the cache.
    """
    given = {one.file_name: one for one in vocabularies if isinstance(one, Vocabulary)}
    names = tuple(dict.fromkeys(one if isinstance(one, str) else one.file_name for one in vocabularies))
    for name in names:
        if name not in given:
            bpe_size(name)
    corpus = read_corpus(source)
    root = cache or _default_cache()
    key = f"{FORMAT_VERSION}\0{corpus.content_hash}\0{split_seed}"
    folder = root / hashlib.sha256(key.encode()).hexdigest()[:16]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(folder, progress), _parallel_tokenizers():
            _complete(folder, corpus, names, given, split_seed, progress)
    except (OSError, NotImplementedError) as error:  # the latter: a file system without locks
        reason = getattr(error, "strerror", None) or error
        raise CacheError(
            f"cannot use the data cache {root}: {reason}; set CODENAS_CACHE to a writable folder with enough room"
        ) from None
    return PreparedData(folder, names)


def _complete(
    folder: Path,
    corpus: Corpus,
    names: Sequence[str],
    given: Mapping[str, Vocabulary],
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
        manifest = _write_texts(folder, corpus, split_seed)
        progress(f"corpus '{corpus.source}': {corpus.num_bytes:,} bytes in {len(corpus.documents):,} documents")
    missing = [name for name in dict.fromkeys(names) if name not in manifest["vocabularies"]]
    if missing:
        _add_vocabularies(folder, manifest, missing, given, progress)
    if missing or not (folder / MANIFEST).exists():
        write_json(folder / MANIFEST, manifest)


def _write_texts(folder: Path, corpus: Corpus, split_seed: int) -> dict[str, Any]:
    """Write the three splits and begin the manifest."""
    split = split_documents(corpus.documents, split_seed)
    (folder / MANIFEST).unlink(missing_ok=True)
    manifest: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "source": corpus.source,
        "content_hash": corpus.content_hash,
        "split_seed": split_seed,
        "counts": corpus.counts,
        "splits": {},
        "vocabularies": {},
        "files": {},
    }
    for name, documents in (("train", split.train), ("validation", split.validation), ("holdout", split.holdout)):
        data = join_documents([document.text for document in documents])
        manifest["splits"][name] = {"documents": len(documents), "bytes": len(data)}
        manifest["files"][text_file(name)] = _write(folder / text_file(name), data)
    return manifest


def _add_vocabularies(
    folder: Path,
    manifest: dict[str, Any],
    names: Sequence[str],
    given: Mapping[str, Vocabulary],
    progress: Callable[[str], None],
) -> None:
    """Train and write vocabularies and their tokens, and enter them in the manifest."""
    documents = {split: read_documents(folder, split) for split in SPLITS}
    progress(f"training vocabularies {', '.join(names)}")
    for name, vocabulary in _train(folder, manifest, names, given, documents["train"], progress):
        tokenizer = vocabulary.to_json().encode()
        files = {vocabulary_file(name): _write(folder / vocabulary_file(name), tokenizer)}
        tokens = {}
        for split in SPLITS:
            ids = vocabulary.encode_documents(documents[split])
            tokens[split] = len(ids)
            files[tokens_file(name, split)] = _write(folder / tokens_file(name, split), ids)
        bytes_per_token = manifest["splits"]["validation"]["bytes"] / tokens["validation"]
        manifest["files"] |= files
        manifest["vocabularies"][name] = {
            "size": vocabulary.size,
            "tokens": tokens,
            "validation_bytes_per_token": round(bytes_per_token, 4),
        }
        progress(f"{name}: {vocabulary.size:,} ids, {tokens['train']:,} tokens, {bytes_per_token:.2f} bytes a token")


def _train(
    folder: Path,
    manifest: Mapping[str, Any],
    names: Sequence[str],
    given: Mapping[str, Vocabulary],
    texts: Sequence[str],
    progress: Callable[[str], None],
) -> Iterator[tuple[str, Vocabulary]]:
    """The named vocabularies. All BPEs are cut from the largest one, which the cache may hold already."""
    asked = {name: None if name in given else bpe_size(name) for name in names}
    cached = {name: bpe_size(name) or 0 for name in manifest["vocabularies"] if not name.startswith(FILE_PREFIX)}
    largest = max((size for size in asked.values() if size), default=0)
    bpe: Vocabulary | None = None
    if largest and largest <= max(cached.values(), default=0):
        bpe = Vocabulary.load(folder / vocabulary_file(max(cached, key=cached.__getitem__)))
    elif largest:
        bpe = train_bpe(texts, largest)
    for name, size in asked.items():
        if name in given:
            yield name, given[name]
        elif name == GPT2:
            yield name, Vocabulary(fetch_gpt2(progress))
        else:
            yield name, bpe.cut(size) if bpe and size else train_char(texts)


def _write(path: Path, content: bytes | TokenArray) -> dict[str, Any]:
    """Write a file so that it is whole or not there, and return its entry in the manifest."""
    write_atomically(
        path, lambda temporary: temporary.write_bytes(content if isinstance(content, bytes) else content.data)
    )
    if isinstance(content, bytes):
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {"bytes": content.nbytes}


def _default_cache() -> Path:
    if chosen := os.environ.get("CODENAS_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "codenas"


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


@contextmanager
def _parallel_tokenizers() -> Iterator[None]:
    """Encode on all cores here, and on one from then on: a process forked later must not use the threads.

    Without a setting the library warns at such a fork. The user's own setting is left alone.
    """
    if "TOKENIZERS_PARALLELISM" in os.environ:
        yield
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
