"""The data floor: a corpus, its splits, vocabularies, and the prepared folder that trials open."""

from __future__ import annotations

from nas.data.corpus import Corpus, Document, read_corpus
from nas.data.prepare import prepare_data
from nas.data.prepared import SPLITS, PreparedData
from nas.data.tokenizer_choice import choose_tokenizer
from nas.data.vocabulary import Vocabulary, bpe_size, train_bpe, train_char

__all__ = [
    "SPLITS",
    "Corpus",
    "Document",
    "PreparedData",
    "Vocabulary",
    "bpe_size",
    "choose_tokenizer",
    "prepare_data",
    "read_corpus",
    "train_bpe",
    "train_char",
]
