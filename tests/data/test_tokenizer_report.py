from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.data.tokenizer_report import NUM_LONGEST, check_round_trip, report_tokenizer
from nas.tokenizer.vocabulary import Vocabulary, train_bpe
from tests.helpers.foreign_tokenizers import starcoder


def test_the_figures_are_those_of_the_tokens_counted_by_hand(data: PreparedData) -> None:
    report = report_tokenizer(data, "bpe-512")
    vocabulary = data.vocabulary("bpe-512")
    counts = Counter(token for text in data.documents("train") for token in [*vocabulary.encode(text), 0])
    validation = data.documents("validation")
    tokens = sum(len(vocabulary.encode(text)) + 1 for text in validation)
    assert report.bytes_per_token == sum(len(text.encode()) + 1 for text in validation) / tokens
    assert (report.name, report.num_ids, report.eot_id, report.left_out) == ("bpe-512", 512, 0, ())
    assert report.train_tokens == counts.total()
    assert report.unused_tokens == 512 - len(counts)
    assert report.rare_tokens == sum(count < 10 for count in counts.values()) > 0
    lengths = sorted((len(vocabulary.token_bytes[token]) for token in counts), reverse=True)
    assert [len(token) for token in report.longest_tokens] == lengths[:NUM_LONGEST]
    assert report.checked_documents == len(validation) + len(data.documents("holdout"))
    assert report.failures == ()


def test_special_tokens_of_foreign_tokenizers_are_among_the_unused(
    corpus_folder: Path, cache_of_the_tests: Path
) -> None:
    vocabulary = Vocabulary(starcoder())
    data = prepare_data(str(corpus_folder), [vocabulary], cache=cache_of_the_tests, progress=lambda line: None)
    report = report_tokenizer(data, vocabulary.file_name)
    assert report.left_out == ("3 added tokens",)
    assert report.unused_tokens >= 2
    assert report.failures == ()


def test_a_document_that_is_not_reproduced_is_named() -> None:
    vocabulary = train_bpe([], 256)
    assert list(check_round_trip(vocabulary, "holdout", ["a", "x = 1\n"])) == []
    tokens = list(vocabulary.token_bytes)
    tokens[ord("=")] = b"-"
    vocabulary.token_bytes = tuple(tokens)
    (failure,) = check_round_trip(vocabulary, "holdout", ["a", "x = 1\ny\n"])
    assert (failure.split, failure.number, failure.at_byte) == ("holdout", 2, 2)
    assert str(failure) == "document 2 of holdout, at byte 2; it begins with 'x = 1'"


@pytest.mark.parametrize(("token", "at_byte"), [(b"", 1), (b"==", 2)])
def test_a_document_that_becomes_shorter_or_longer_is_reported(token: bytes, at_byte: int) -> None:
    vocabulary = train_bpe([], 256)
    tokens = list(vocabulary.token_bytes)
    tokens[ord("=")] = token
    vocabulary.token_bytes = tuple(tokens)
    assert [failure.at_byte for failure in check_round_trip(vocabulary, "validation", ["x="])] == [at_byte]
