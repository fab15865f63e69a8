"""The vocabularies of prepared data: trained on the train split or fetched, with every split encoded by each.

Documents are read in batches, so that a corpus may be larger than memory.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas.corpus.split_files import SPLITS
from nas.data.prepared import iterate_documents, tokens_file, vocabulary_file
from nas.system.files import write_atomically, write_hashed
from nas.tokenizer.gpt2 import GPT2, fetch_gpt2
from nas.tokenizer.vocabulary import BATCH_DOCUMENTS, FILE_PREFIX, Vocabulary, bpe_size, train_bpe, train_char

TOKENIZER_BYTES = 1 << 28
"""Maximum length of the part of the train split that tokenizers are trained on."""


def add_vocabularies(
    folder: Path,
    manifest: dict[str, Any],
    names: Sequence[str],
    given: Mapping[str, Vocabulary],
    progress: Callable[[str], None],
) -> None:
    """Write the named vocabularies and their tokens, and add them to the manifest."""
    progress(f"preparing vocabularies {', '.join(names)}")
    for name, vocabulary in _train(folder, manifest, names, given, progress):
        tokenizer = vocabulary.to_json().encode()
        files = {vocabulary_file(name): write_hashed(folder / vocabulary_file(name), tokenizer)}
        tokens = {}
        for split in SPLITS:
            files[tokens_file(name, split)] = _write_tokens(folder, name, split, vocabulary)
            tokens[split] = files[tokens_file(name, split)]["bytes"] // vocabulary.dtype.itemsize
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
    progress: Callable[[str], None],
) -> Iterator[tuple[str, Vocabulary]]:
    """Yield the named vocabularies; all BPEs are cut from the largest one, which the cache may already have."""
    sizes = {name: None if name in given else bpe_size(name) for name in names}
    cached = {name: bpe_size(name) or 0 for name in manifest["vocabularies"] if not name.startswith(FILE_PREFIX)}
    largest = max((size for size in sizes.values() if size), default=0)
    bpe: Vocabulary | None = None
    if largest and largest <= max(cached.values(), default=0):
        bpe = Vocabulary.load(folder / vocabulary_file(max(cached, key=cached.__getitem__)))
    elif largest:
        bpe = train_bpe(_training_texts(folder), largest)
    for name, size in sizes.items():
        if name in given:
            yield name, given[name]
        elif name == GPT2:
            yield name, Vocabulary(fetch_gpt2(progress))
        else:
            yield name, bpe.cut(size) if bpe and size else train_char(_training_texts(folder))


def _training_texts(folder: Path) -> Iterator[str]:
    """Yield documents of the train split, in its hashed order, up to TOKENIZER_BYTES."""
    num_read = 0
    for text in iterate_documents(folder, "train"):
        yield text
        num_read += len(text)
        if num_read >= TOKENIZER_BYTES:
            break


def _write_tokens(folder: Path, name: str, split: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """Encode a split in batches on all cores, and return the file's entry for the manifest."""
    path = folder / tokens_file(name, split)

    def write(temporary: Path) -> None:
        documents = iterate_documents(folder, split)
        with temporary.open("wb") as file:
            while batch := list(itertools.islice(documents, BATCH_DOCUMENTS)):
                file.write(vocabulary.encode_documents(batch).data)

    write_atomically(path, write)
    return {"bytes": path.stat().st_size}


@contextmanager
def parallel_tokenizers() -> Iterator[None]:
    """Encode on all cores inside the context and on one core after it, because forked processes cannot use threads.

    Without a setting the library warns at such a fork. A setting of the user is not changed.
    """
    if "TOKENIZERS_PARALLELISM" in os.environ:
        yield
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
