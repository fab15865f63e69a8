"""The folder that a user names for a corpus: new, empty, or of this very corpus. Nothing else is written into."""

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

# What a build that was killed leaves: folders, files that are complete, and temporary ones.
_UNFINISHED = re.compile(
    r"(text|novel)(/\w+\.bin)?|vocabularies(/[^/]+\.json)?|tokens(/[^/]+(/\w+\.bin)?)?|(.*/)?\.[^/]+\.tmp"
)
_ALLOWED = "name a new folder, an empty one or that of the same corpus"
_LABELS_SHOWN = 3

_Source = tuple[str, str | None]
"""A source by its content, or its label where that was not written down, and where it is put in the split."""
_Difference = tuple[str, str]
"""What is stored and what is asked for."""


def check_out_folder(folder: Path, recipe: CorpusRecipe, source_hashes: Sequence[str], split_seed: int) -> None:
    """UsageError with one line unless the corpus may be built in `folder`, or stands there already.

    A corpus is the same by what names it in the cache: format, rules, seed, and content of the sources wherever they
    lie (`source_hashes`). A manifest of a time before these were written down tells the paths alone.
    """
    for one in (folder, *folder.parents):
        if one.exists() and not one.is_dir():
            raise UsageError(f"--out {folder} cannot be a folder: {one} is a file; {_ALLOWED}")
    if not (folder / MANIFEST).exists():
        if foreign := _foreign_entry(folder):
            raise UsageError(f"--out {folder} is not empty and no corpus: it holds '{foreign}'; {_ALLOWED}")
        return
    try:
        manifest = read_manifest(folder)
    except CacheError as error:
        raise UsageError(f"--out {folder} holds no corpus that can be told: {error}; {_ALLOWED}") from None
    if differences := list(_differences(manifest, recipe, source_hashes, split_seed)):
        stored, asked = (", ".join(words) for words in zip(*differences, strict=True))
        raise UsageError(
            f"--out {folder} holds another corpus: stored {stored}; asked for {asked}; choose another --out"
        )


def _foreign_entry(folder: Path) -> str | None:
    """The first file or folder below that no build of a corpus writes."""
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
        return  # the rest may mean something else there
    try:
        stored = CorpusRecipe.model_validate(manifest.get("recipe"))
    except ValidationError:
        yield "a recipe that cannot be read", f"the recipe '{recipe.name}'"
        return
    stored_hashes = manifest.get("source_hashes")
    before = _sources(stored, stored_hashes)
    if (now := _sources(recipe, source_hashes if stored_hashes else None)) != before:
        yield _other_sources(_lacking(stored, before, now), _lacking(recipe, now, before))
    for section in ("cleaning", "split"):
        for key, value in getattr(recipe, section):
            if (other := getattr(getattr(stored, section), key)) != value:
                yield f"{section}.{key} {other}", f"{section}.{key} {value}"
    if manifest["split_seed"] != split_seed:
        yield f"seed {manifest['split_seed']}", f"seed {split_seed}"


def _sources(recipe: CorpusRecipe, hashes: Sequence[str] | None) -> list[_Source]:
    contents = hashes or [one.label for one in recipe.sources]
    return [(content, one.split) for content, one in zip(contents, recipe.sources, strict=True)]


def _lacking(recipe: CorpusRecipe, sources: Sequence[_Source], others: Sequence[_Source]) -> str:
    """The sources of a recipe that the other one lacks, in words."""
    found = [one for one, source in zip(recipe.sources, sources, strict=True) if source not in others]
    labels = [f"{one.label} for {one.split}" if one.split else one.label for one in found]
    more = f" and {len(labels) - _LABELS_SHOWN} more" if len(labels) > _LABELS_SHOWN else ""
    return ", ".join(labels[:_LABELS_SHOWN]) + more


def _other_sources(stored: str, asked: str) -> _Difference:
    if not stored and not asked:
        return "the same sources in another order", "that of the recipe"
    if stored == asked:
        return f"{stored} with other content", asked
    return stored or f"no {asked}", asked or f"no {stored}"
