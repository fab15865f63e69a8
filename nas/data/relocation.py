"""Prepared data on another machine than the one that prepared it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from nas.corpus.recipe import CorpusRecipe
from nas.corpus.split_files import EVALUATION_SPLITS, SPLITS, novel_file, text_file
from nas.data.prepare import prepare_corpus, say
from nas.data.prepared import PreparedData, read_manifest, vocabulary_file
from nas.errors import CacheError, CorpusError


@cache
def local_data(data: PreparedData, progress: Callable[[str], None] = say) -> PreparedData:
    """The same data as this machine has them: in the same folder, or prepared anew in its own cache, once.

    The former is for a cache that machines share, the latter for corpora that they share or can fetch. CorpusError
    where the corpus is another one here, such as the standard library of another Python.
    """
    if _is_there(data):
        return data
    recipe = CorpusRecipe.model_validate(data.manifest["recipe"])
    source, split_seed = data.manifest["source"], data.manifest["split_seed"]
    mine = prepare_corpus(recipe, data.vocabulary_names, source=source, split_seed=split_seed, progress=progress)
    if different := _different(data, mine.manifest):
        raise CorpusError(
            f"corpus '{source}' is another one on this machine: {different} differs; let the machines share the "
            "data cache (CODENAS_CACHE) or the corpus"
        )
    return mine


def _is_there(data: PreparedData) -> bool:
    try:
        return _different(data, read_manifest(data.folder)) is None
    except CacheError:
        return False


def _different(data: PreparedData, other: Mapping[str, Any]) -> str | None:
    """The first file that decides a result and is not there with the same content."""
    files = [
        *map(text_file, SPLITS),
        *map(novel_file, EVALUATION_SPLITS),
        *map(vocabulary_file, data.vocabulary_names),
    ]
    return next((one for one in files if other["files"].get(one) != data.manifest["files"][one]), None)
