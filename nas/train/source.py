"""The training data of a run: the corpus and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.corpus.recipe import CorpusRecipe
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import UsageError
from nas.space.sections import vocabulary_name
from nas.tokenizer.choice import choose_tokenizer
from nas.tokenizer.vocabulary import Vocabulary

_NAMED = ("char", "gpt2")
"""Vocabularies that an arch JSON may name, with a size of their own: they are not trained to vocab_size."""


@dataclass(frozen=True)
class Source:
    """The prepared corpus, the vocabulary and the training stream, (num_tokens,)."""

    data: PreparedData
    vocabulary: Vocabulary
    tokens: NDArray[np.integer]

    @property
    def bytes_per_token(self) -> float:
        """The mean on the train split."""
        return float(self.data.manifest["splits"]["train"]["bytes"]) / len(self.tokens)


def open_source(
    vocab_size: int, exported: Mapping[str, Any], path: Path, corpus: str | CorpusRecipe | None, tokenizer: str | None
) -> Source:
    """Prepare the corpus (default: the arch JSON's own, else stdlib) under a tokenizer.

    The tokenizer is `tokenizer` if the user names one, of any size; else the file or the vocabulary that the arch
    JSON in `path` names; else a BPE trained to `vocab_size`. Raise UsageError if one of the latter has another size.
    """
    provenance = section(section(exported, "provenance"), "corpus")
    corpus = corpus or str(provenance.get("source", "stdlib"))
    if tokenizer is not None:
        return _prepare(corpus, choose_tokenizer(tokenizer))
    if "tokenizer" in exported:
        source = _prepare(corpus, Vocabulary.load(path.parent / str(exported["tokenizer"])))
    elif exported.get("vocabulary") in _NAMED:
        return _prepare(corpus, str(exported["vocabulary"]))
    else:
        try:
            name = vocabulary_name(vocab_size)
        except ValueError as error:
            raise UsageError(
                f"{path} names no tokenizer and none can be trained: {error}; name one with --tokenizer"
            ) from None
        source = _prepare(corpus, name)
    if source.vocabulary.size != vocab_size:
        raise UsageError(
            f"the tokenizer has {source.vocabulary.size} tokens, the architecture a vocab_size of {vocab_size}; "
            "give a larger corpus, an arch JSON with its tokenizer file, or a --tokenizer, whose size replaces it"
        )
    return source


def section(exported: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object of the arch JSON, empty if it is missing; raise UsageError if it is not an object."""
    value = exported.get(name, {})
    if not isinstance(value, dict):
        raise UsageError(f"'{name}' in the arch JSON must be an object of keys, found {value!r}")
    return value


def _prepare(corpus: str | CorpusRecipe, chosen: str | Vocabulary) -> Source:
    data = prepare_data(corpus, [chosen])
    if isinstance(chosen, str):
        return Source(data, data.vocabulary(chosen), data.tokens(chosen, "train"))
    (name,) = data.vocabulary_names
    return Source(data, data.vocabulary(name), data.tokens(name, "train"))
