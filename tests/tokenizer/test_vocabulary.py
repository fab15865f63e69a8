from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from nas.data.prepared import PreparedData
from nas.errors import CheckpointError, UsageError
from nas.tokenizer.vocabulary import Vocabulary, bpe_size, token_dtype, train_bpe, train_char
from tests.helpers.texts import HARD_TEXTS, TEXTS


@pytest.fixture(scope="module", params=["bytes", "char", "bpe-257", "bpe-600"])
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    size = bpe_size(request.param)
    return train_bpe(TEXTS, size) if size else train_char([*TEXTS, "é" * 10, "語" * 10])


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_any_text_is_reproduced_byte_for_byte(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.decode(vocabulary.encode(text)) == text.encode()


def test_the_library_alone_reads_the_saved_file_to_the_same_ids_and_text(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    vocabulary.save(tmp_path / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in HARD_TEXTS:
        assert tokenizer.encode(text).ids == vocabulary.encode(text)
        assert tokenizer.decode(vocabulary.encode(text), skip_special_tokens=False) == text


def test_a_loaded_vocabulary_equals_the_saved_one(vocabulary: Vocabulary, tmp_path: Path) -> None:
    vocabulary.save(tmp_path / "any name.json")
    loaded = Vocabulary.load(tmp_path / "any name.json")
    assert (loaded.name, loaded.size, loaded.token_bytes) == (vocabulary.name, vocabulary.size, vocabulary.token_bytes)
    assert loaded.encode(TEXTS[0]) == vocabulary.encode(TEXTS[0])


def test_each_byte_is_its_own_id_so_that_nul_is_the_end_of_text(vocabulary: Vocabulary) -> None:
    assert vocabulary.token_bytes[:256] == tuple(bytes([i]) for i in range(256))
    assert vocabulary.encode("\0") == [vocabulary.eot_id] == [0]
    assert sum(b"\0" in token for token in vocabulary.token_bytes) == 1


def test_byte_lengths_are_those_of_the_tokens(vocabulary: Vocabulary) -> None:
    assert vocabulary.num_bytes.shape == (vocabulary.size,)
    assert vocabulary.num_bytes.min() == 1
    ids = vocabulary.encode(TEXTS[1])
    assert vocabulary.num_bytes[ids].sum() == len(TEXTS[1].encode())


def test_documents_are_encoded_one_by_one_and_ended(vocabulary: Vocabulary) -> None:
    texts = [*TEXTS, "", "def", "é ü 語\n", *["x = 1\n"] * 70]
    expected = [i for text in texts for i in [*vocabulary.encode(text), 0]]
    encoded = vocabulary.encode_documents(texts)
    assert encoded.dtype == np.uint16
    assert encoded.tolist() == expected
    assert vocabulary.decode(encoded) == b"".join(text.encode() + b"\0" for text in texts)


def test_the_fast_path_of_ascii_gives_the_same_ids(vocabulary: Vocabulary) -> None:
    text = "".join(map(chr, range(128))) + TEXTS[2]
    assert vocabulary.encode_documents([text]).tolist() == [*vocabulary.encode(text), 0]


def test_no_documents_give_no_tokens(vocabulary: Vocabulary) -> None:
    assert vocabulary.encode_documents([]).shape == (0,)


def test_merges_follow_counts() -> None:
    # The words are "ab", " ab", " ab": a+b is seen three times, then space+ab twice, then no pair twice.
    learned = train_bpe(["ab ab ab"], 1_000)
    assert learned.token_bytes[256:] == (b"ab", b" ab")
    assert (learned.size, learned.name) == (258, "bpe-258")
    assert learned.encode("ab abc") == [256, 257, ord("c")]
    assert learned.encode("ba b") == [ord("b"), ord("a"), ord(" "), ord("b")]


@pytest.mark.parametrize("size", [256, 257, 400, 777, 1_024])
def test_a_cut_vocabulary_equals_one_trained_at_that_size(size: int) -> None:
    cut, trained = train_bpe(TEXTS, 1_024).cut(size), train_bpe(TEXTS, size)
    assert json.loads(cut.tokenizer.to_str()) == json.loads(trained.tokenizer.to_str())
    assert cut.size == size


def test_a_cut_above_the_real_size_changes_nothing() -> None:
    small = train_bpe(["ab ab ab"], 1_000)
    assert small.cut(500).token_bytes == small.token_bytes


def test_characters_get_an_id_when_they_are_frequent_and_are_spelled_in_bytes_when_not() -> None:
    chars = train_char(["ü" * 9 + "語" * 5, "é" * 10 + "語" * 5])
    assert chars.token_bytes[256:] == ("é".encode(), "語".encode())
    assert (chars.name, chars.size) == ("char", 258)
    assert chars.encode("aé語ü") == [97, 256, 257, 0xC3, 0xBC]


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)])
def test_tokens_take_four_bytes_if_two_do_not_suffice(size: int, dtype: type) -> None:
    assert token_dtype(size) == dtype


@pytest.mark.parametrize(
    ("name", "size"), [("bytes", 256), ("char", None), ("gpt2", None), ("bpe-257", 257), ("bpe-1048576", 1 << 20)]
)
def test_a_name_says_the_size(name: str, size: int | None) -> None:
    assert bpe_size(name) == size


@pytest.mark.parametrize("name", ["", "bpe", "bpe-", "bpe-256", "bpe-0512", "bpe-1048577", "bpe-99999999", "BPE-512"])
def test_an_unknown_name_is_refused_with_the_allowed_ones(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^unknown vocabulary '{name}' \(allowed: bytes, char, gpt2, and bpe-N"):
        bpe_size(name)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[1]", b"\xff\xfe", b'{"model": {"type": "BPE"}}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged or not a tokenizer") as caught:
        Vocabulary.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"^cannot read tokenizer .*nowhere\.json: No such file"):
        Vocabulary.load(tmp_path / "nowhere.json")


def test_a_tokenizer_that_cannot_be_exact_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Tokenizer(models.BPE(vocab={"a": 0, "b": 1}, merges=[])).save(str(path))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be used: it has neither ByteLevel"):
        Vocabulary.load(path)


def test_ours_with_a_special_token_is_a_foreign_one_that_ends_texts_with_it(tmp_path: Path) -> None:
    special = train_bpe([], 256).tokenizer
    special.add_special_tokens(["<|endoftext|>"])
    special.save(str(tmp_path / "tokenizer.json"))
    foreign = Vocabulary.load(tmp_path / "tokenizer.json")
    assert (foreign.name, foreign.size, foreign.eot_id) == ("foreign-257", 257, 256)
    assert foreign.encode("<|end") == [*b"<|end"]


def test_a_file_name_is_by_content() -> None:
    names = {train_bpe(texts, 257).file_name for texts in (["aaaa"], ["bbbb"], ["bbbb"])}
    assert len(names) == 2
    assert all(name.startswith("file-") and len(name) == 21 for name in names)


SIZES = (257, 300, 512, 1_000, 2_048)


def test_five_sizes_cut_from_the_largest_equal_those_trained_on_a_real_corpus(data: PreparedData) -> None:
    texts = data.documents("train")
    largest = train_bpe(texts, 4_096)
    for size in SIZES:
        trained = train_bpe(texts, size)
        assert largest.cut(size).to_json() == trained.to_json()
        assert trained.size == size
