"""The check of a corpus folder given by --out: it must be new, empty, or of the same corpus."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nas.corpus.recipe import CorpusRecipe
from nas.data.prepared import FORMAT_VERSION, MANIFEST, read_manifest
from nas.errors import CacheError, UsageError

# The files of an unfinished build: folders, complete files, and temporary ones.
_UNFINISHED = re.compile(
    r"(text|novel)(/\w+\.bin)?|vocabularies(/[^/]+\.json)?|tokens(/[^/]+(/\w+\.bin)?)?|(.*/)?\.[^/]+\.tmp"
)
_ALLOWED = "give a new folder, an empty one, or that of the same corpus"
_LABELS_SHOWN = 3

_Source = tuple[str, str | None]
"""The content hash of a source, and the split that it demands."""
_Difference = tuple[str, str]
"""The stored and the requested value, in words."""


def check_out_folder(folder: Path, recipe: CorpusRecipe, source_hashes: Sequence[str], split_seed: int) -> None:
    """Raise UsageError unless `folder` is free for the corpus or has it already.

    Two corpora are the same if their keys in the cache are: format, rules, seed, and the contents of the sources
    (`source_hashes`) wherever they are.
    """
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(f"--out {folder} cannot be a folder: {path} is a file; {_ALLOWED}")
    if not (folder / MANIFEST).exists():
        if foreign := _foreign_entry(folder):
            raise UsageError(f"--out {folder} is neither empty nor a corpus: it has '{foreign}'; {_ALLOWED}")
        return
    try:
        manifest = read_manifest(folder)
    except CacheError as error:
        raise UsageError(f"--out {folder} has no readable corpus: {error}; {_ALLOWED}") from None
    if differences := list(_differences(manifest, recipe, source_hashes, split_seed)):
        stored, requested = (", ".join(values) for values in zip(*differences, strict=True))
        raise UsageError(
            f"--out {folder} has another corpus: stored {stored}; requested {requested}; choose another --out"
        )


def _foreign_entry(folder: Path) -> str | None:
    """Return the first file or folder below that a build of a corpus does not write."""
    for root, subfolders, files in os.walk(folder):
        for name in sorted([*subfolders, *files]):
            relative = Path(root, name).relative_to(folder).as_posix()
            if not _UNFINISHED.fullmatch(relative):
                return relative
        subfolders[:] = [name for name in subfolders if not name.endswith(".tmp")]
    return None


def _differences(
    manifest: Mapping[str, Any], recipe: CorpusRecipe, source_hashes: Sequence[str], split_seed: int
) -> Iterator[_Difference]:
    if manifest["format"] != FORMAT_VERSION:
        yield f"format {manifest['format']}", f"format {FORMAT_VERSION}"
        return  # the other keys may have other meanings there
    try:
        stored = CorpusRecipe.model_validate(manifest["recipe"])
    except ValidationError:
        yield "an unreadable recipe", f"the recipe '{recipe.name}'"
        return
    stored_sources = _sources(stored, manifest["source_hashes"])
    sources = _sources(recipe, source_hashes)
    if sources != stored_sources:
        yield _source_difference(
            _missing_labels(stored, stored_sources, sources), _missing_labels(recipe, sources, stored_sources)
        )
    for section in ("cleaning", "split"):
        for key, value in getattr(recipe, section):
            if (other := getattr(getattr(stored, section), key)) != value:
                yield f"{section}.{key} {other}", f"{section}.{key} {value}"
    if manifest["split_seed"] != split_seed:
        yield f"seed {manifest['split_seed']}", f"seed {split_seed}"


def _sources(recipe: CorpusRecipe, hashes: Sequence[str]) -> list[_Source]:
    return [(content, source.split) for content, source in zip(hashes, recipe.sources, strict=True)]


def _missing_labels(recipe: CorpusRecipe, sources: Sequence[_Source], others: Sequence[_Source]) -> str:
    """Return the labels of the sources of a recipe that are not among the others."""
    missing = [source for source, content in zip(recipe.sources, sources, strict=True) if content not in others]
    labels = [f"{source.label} for {source.split}" if source.split else source.label for source in missing]
    more = f" and {len(labels) - _LABELS_SHOWN} more" if len(labels) > _LABELS_SHOWN else ""
    return ", ".join(labels[:_LABELS_SHOWN]) + more


def _source_difference(stored: str, requested: str) -> _Difference:
    if not stored and not requested:
        return "the same sources in another order", "that of the recipe"
    if stored == requested:
        return f"{stored} with other content", requested
    return stored or f"no {requested}", requested or f"no {stored}"
