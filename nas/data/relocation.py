"""Prepared data on a machine that did not prepare it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from nas.corpus.recipe import CorpusRecipe
from nas.corpus.split_files import EVALUATION_SPLITS, SPLITS, novel_file, text_file
from nas.data.prepare import prepare_corpus, print_progress
from nas.data.prepared import PreparedData, read_manifest, vocabulary_file
from nas.errors import CacheError, CorpusError


@cache
def local_data(data: PreparedData, progress: Callable[[str], None] = print_progress) -> PreparedData:
    """Return the same data on this machine: in the same folder, or prepared once in the machine's own cache.

    The folder is the same if machines share a cache; otherwise they must share the sources of the corpus or be able to
    fetch them. Raises CorpusError if the corpus differs here, such as the standard library of another Python.
    """
    if _is_in_place(data):
        return data
    recipe = CorpusRecipe.model_validate(data.manifest["recipe"])
    corpus, split_seed = data.manifest["source"], data.manifest["split_seed"]
    prepared = prepare_corpus(recipe, data.vocabulary_names, corpus=corpus, split_seed=split_seed, progress=progress)
    if different := _first_difference(data, prepared.manifest):
        raise CorpusError(
            f"corpus '{corpus}' differs on this machine: {different} has other content; let the machines share the "
            "data cache (CODENAS_CACHE) or the corpus"
        )
    return prepared


def _is_in_place(data: PreparedData) -> bool:
    try:
        return _first_difference(data, read_manifest(data.folder)) is None
    except CacheError:
        return False


def _first_difference(data: PreparedData, other: Mapping[str, Any]) -> str | None:
    """Return the first file that affects results and differs in the other manifest."""
    files = [
        *map(text_file, SPLITS),
        *map(novel_file, EVALUATION_SPLITS),
        *map(vocabulary_file, data.vocabulary_names),
    ]
    return next((file for file in files if other["files"].get(file) != data.manifest["files"][file]), None)
