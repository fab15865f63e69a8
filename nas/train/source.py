"""What a run is trained on: the corpus, and the tokenizer that cuts it."""

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
from nas.train.arch_json import section

_NAMED = ("char", "gpt2")
"""Vocabularies that an arch JSON may name and whose size is what it is, whatever vocab_size says."""


@dataclass(frozen=True)
class Source:
    """What is trained on: the corpus, the vocabulary and the training stream, (num_tokens,)."""

    data: PreparedData
    vocabulary: Vocabulary
    tokens: NDArray[np.integer]

    @property
    def bytes_per_token(self) -> float:
        """On the train split."""
        return float(self.data.manifest["splits"]["train"]["bytes"]) / len(self.tokens)


def open_source(
    vocab_size: int, exported: Mapping[str, Any], path: Path, corpus: str | CorpusRecipe | None, tokenizer: str | None
) -> Source:
    """The corpus (default: the arch JSON's own, else stdlib) under a tokenizer.

    Which is `tokenizer` where the user names one, whatever its size; else the file or the vocabulary that the arch
    JSON in `path` names; else a BPE trained to `vocab_size`. UsageError where one of the latter has another size.
    """
    trained_on = section(section(exported, "provenance"), "corpus")
    corpus = corpus or str(trained_on.get("source", "stdlib"))
    if tokenizer is not None:
        return _encoded(corpus, choose_tokenizer(tokenizer))
    if "tokenizer" in exported:
        source = _encoded(corpus, Vocabulary.load(path.parent / str(exported["tokenizer"])))
    elif exported.get("vocabulary") in _NAMED:
        return _encoded(corpus, str(exported["vocabulary"]))
    else:
        try:
            name = vocabulary_name(vocab_size)
        except ValueError as error:
            raise UsageError(
                f"{path} names no tokenizer and none can be trained: {error}; name one by --tokenizer"
            ) from None
        source = _encoded(corpus, name)
    if source.vocabulary.size != vocab_size:
        raise UsageError(
            f"the tokenizer has {source.vocabulary.size} tokens, the architecture a vocab_size of {vocab_size}; "
            "give a larger corpus, an arch JSON with its tokenizer file, or a --tokenizer, whose size is then taken"
        )
    return source


def _encoded(corpus: str | CorpusRecipe, chosen: str | Vocabulary) -> Source:
    data = prepare_data(corpus, [chosen])
    if isinstance(chosen, str):
        return Source(data, data.vocabulary(chosen), data.tokens(chosen, "train"))
    (name,) = data.vocabulary_names
    return Source(data, data.vocabulary(name), data.tokens(name, "train"))
