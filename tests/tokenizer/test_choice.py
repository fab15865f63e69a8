from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models

from nas.errors import UsageError
from nas.tokenizer.choice import choose_tokenizer, read_tokenizer
from nas.tokenizer.vocabulary import Vocabulary
from tests.helpers.foreign_tokenizers import gpt2, llama3
from tests.tokenizer.test_gpt2 import write_folder


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("257", "bpe-257"),
        ("4096", "bpe-4096"),
        ("65536", "bpe-65536"),
        ("bytes", "bytes"),
        ("chars", "char"),
        ("char", "char"),
        ("gpt2", "gpt2"),
    ],
)
def test_sizes_and_names(given: str, name: str) -> None:
    assert choose_tokenizer(given) == name


@pytest.mark.parametrize("given", ["0", "256", "65537", "9" * 30])
def test_other_sizes_are_refused(given: str) -> None:
    with pytest.raises(UsageError, match=rf"a BPE of {given} tokens; give 257 to 65,536, or bytes for 256"):
        choose_tokenizer(given)


@pytest.mark.parametrize("given", ["no.json", "gpt-2", "-1", "bpe"])
def test_a_name_that_is_unknown_and_no_file_is_refused(given: str) -> None:
    with pytest.raises(
        UsageError, match=rf"'{given}' is neither .* \(allowed: a size from 257 to 65,536, chars, bytes, gpt2"
    ):
        choose_tokenizer(given)


def test_a_file_and_a_folder_are_read(tmp_path: Path) -> None:
    expected = Vocabulary(llama3())
    expected.save(tmp_path / "tokenizer.json")
    for path in (tmp_path / "tokenizer.json", tmp_path):
        vocabulary = choose_tokenizer(str(path))
        assert isinstance(vocabulary, Vocabulary)
        assert vocabulary.to_json() == expected.to_json() == read_tokenizer(path).to_json()
    folder = write_folder(tmp_path / "folder", gpt2(), ("vocab.json", "merges.txt"))
    chosen = choose_tokenizer(str(folder))
    assert isinstance(chosen, Vocabulary)
    assert chosen.size == 600


def test_a_tokenizer_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "damaged.json").write_text("{")
    Tokenizer(models.Unigram()).save(str(tmp_path / "unigram.json"))
    folder = write_folder(tmp_path / "folder", gpt2(), ("vocab.json", "merges.txt"))
    (folder / "vocab.json").write_text('{"a": 0}')
    (folder / "merges.txt").write_text("")
    for name, reason in (
        ("damaged.json", "is damaged or not a tokenizer"),
        ("unigram.json", "cannot be used: its model is Unigram, allowed is BPE"),
        ("folder", "cannot be used: it has no token for 255 of the 256 bytes"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            choose_tokenizer(str(tmp_path / name))
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)
