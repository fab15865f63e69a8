"""The recipe of a corpus: its sources, the rules of cleaning, and the rules of the split."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nas.corpus.cleaning import Cleaning
from nas.corpus.copied_runs import COPY_SHARE
from nas.corpus.sources import SOURCE_KINDS, FolderSource, GitSource, GlobSource, Source, TextSource
from nas.errors import CorpusError, unknown_name, validation_message

_PATH_KEYS = ("folder", "git", "glob", "text")


class SplitRules(BaseModel):
    """The [split] section of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["document", "package"] = "document"
    """`document` splits by document and keeps near-duplicates on one side; `package` holds out whole packages."""
    evaluation_bytes: int = Field(default=2_000_000, ge=1)
    """Maximum length of validation, and of holdout."""
    cluster_similarity: float = Field(default=0.5, gt=0, le=1)
    """Documents at least this similar are never on both sides of the split."""
    copied_share: float = Field(default=COPY_SHARE, gt=0, le=1)
    """Documents of which at least this share occurs word for word in training are moved to training."""


class CorpusRecipe(BaseModel):
    """The sources of a corpus and the rules for it; together with the files they determine the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str = ""
    sources: tuple[Source, ...] = Field(min_length=1)
    cleaning: Cleaning = Cleaning()
    split: SplitRules = SplitRules()

    @field_validator("sources", mode="before")
    @classmethod
    def _by_kind(cls, values: Any) -> Any:
        if not isinstance(values, list | tuple):
            raise ValueError(f"sources must be tables, each under [[sources]], found {values!r}")
        return [_source(value) if isinstance(value, Mapping) else value for value in values]

    @model_validator(mode="after")
    def _has_training(self) -> Self:
        if all(source.split not in (None, "train") for source in self.sources):
            raise ValueError(
                "no source is left for training: each has a `split` of validation or holdout; add one without `split`"
            )
        return self

    @property
    def description(self) -> str:
        """The labels of the first three sources."""
        labels = [source.label for source in self.sources]
        more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
        return ", ".join(labels[:3]) + more

    def digest(self) -> dict[str, Any]:
        """Return what determines the corpus as plain data: the rules, and the contents of the sources."""
        rules = self.model_dump(mode="json", include={"cleaning", "split"})
        return rules | {"sources": [[source.digest(), source.split] for source in self.sources]}

    def revisions(self) -> dict[str, str]:
        """Return the commit of each git checkout by its path."""
        return {source.git: source.revision() for source in self.sources if isinstance(source, GitSource)}


def find_recipe(corpus: str) -> CorpusRecipe:
    """Return the recipe of a corpus that a user names; raise CorpusError with one line if there is none.

    `corpus` is the name of a shipped recipe, the TOML file of a recipe, the manifest of a built corpus, a folder, a
    glob pattern, or a text file.
    """
    if not corpus.strip():
        raise CorpusError(f"the name of the corpus is empty; {_allowed()}")
    if corpus in shipped_recipes():
        return read_recipe(_recipe_folder() / f"{corpus}.toml")
    path = Path(corpus).expanduser()
    try:
        if path.suffix == ".toml" or path.name == "manifest.json":
            return read_recipe(path)
        return CorpusRecipe(name=corpus, sources=(_local_source(corpus, path),))
    except OSError as error:  # for example, the name is too long
        raise CorpusError(f"cannot read corpus '{corpus}': {error.strerror or error}") from None


def pair_recipe(train: str, validation: str) -> CorpusRecipe:
    """Return the recipe of two text files that are already split; half of `validation` becomes the holdout."""
    return CorpusRecipe(
        name=f"{train} and {validation}",
        sources=(TextSource(text=train, split="train"), TextSource(text=validation, split="validation")),
    )


def read_recipe(path: Path) -> CorpusRecipe:
    """Read a recipe, whose paths are relative to its folder; raise CorpusError with one line if it is invalid."""
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text).get("recipe", {}) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CorpusError(f"cannot read corpus recipe {path}: {reason}") from None
    for key in values:
        if key not in CorpusRecipe.model_fields:
            raise CorpusError(f"{path.name}: {unknown_name('key', key, CorpusRecipe.model_fields)}")
    if isinstance(values.get("sources"), list):
        values["sources"] = [_resolve_paths(source, path.parent) for source in values["sources"]]
    try:
        return CorpusRecipe(**{"name": path.stem, **values})
    except ValidationError as error:
        raise CorpusError(validation_message(error, path.name)) from None


def shipped_recipes() -> list[str]:
    return sorted(path.stem for path in _recipe_folder().glob("*.toml"))


def _recipe_folder() -> Path:
    return Path(str(resources.files("nas.corpus"))) / "recipes"


def _source(values: Mapping[str, Any]) -> Source:
    kinds = [key for key in SOURCE_KINDS if key in values]
    if len(kinds) != 1:
        raise ValueError(
            f"a source needs one of the keys {', '.join(SOURCE_KINDS)}; found {', '.join(values) or 'nothing'}"
        )
    kind = SOURCE_KINDS[kinds[0]]
    for key in values:
        if key not in kind.model_fields:
            raise ValueError(unknown_name(f"key of a {kinds[0]} source", key, kind.model_fields))
    try:
        return kind(**values)
    except ValidationError as error:
        raise ValueError(validation_message(error, f"the {kinds[0]} source '{values[kinds[0]]}'")) from None


def _resolve_paths(source: Any, folder: Path) -> Any:
    if not isinstance(source, Mapping):
        return source
    paths = {key: source[key] for key in _PATH_KEYS if isinstance(source.get(key), str)}
    return {**source, **{key: str(folder / Path(path).expanduser()) for key, path in paths.items()}}


def _local_source(corpus: str, path: Path) -> Source:
    if path.is_dir():
        return FolderSource(folder=corpus)
    if path.exists():
        return TextSource(text=corpus)
    if any(character in corpus for character in "*?["):
        return GlobSource(glob=corpus)
    raise CorpusError(f"corpus '{corpus}' does not exist; {_allowed()}")


def _allowed() -> str:
    return f"give a folder, a file, a pattern, the TOML file of a recipe, or one of: {', '.join(shipped_recipes())}"
