from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import CheckpointError
from nas.tokenizer.foreign_cuts import InexactTokenizer
from nas.tokenizer.foreign_tokenizer import make_exact
from nas.tokenizer.vocabulary import Vocabulary
from tests.helpers.foreign_tokenizers import FOREIGN_TOKENIZERS, byte_level, edited
from tests.helpers.texts import HARD_TEXTS, TEXTS

END = {
    "gpt2": "<|endoftext|>", "starcoder": "<|endoftext|>", "llama3": "<|end_of_text|>", "qwen": "<|endoftext|>",
    "llama2": "</s>", "llama2_metaspace": "</s>", "metaspace_words": "</s>", "gemma": "</s>",
    "plain_characters": "</s>",
}  # fmt: skip
ADDS_SPACE = {"gpt2", "llama2", "llama2_metaspace"}
"""The tokenizers whose original adds a space in front of a text."""

original = functools.cache(lambda kind: FOREIGN_TOKENIZERS[kind]())
exact = functools.cache(lambda kind: Vocabulary(original(kind)))


@pytest.mark.parametrize("text", HARD_TEXTS)
@pytest.mark.parametrize("kind", FOREIGN_TOKENIZERS)
def test_any_text_is_reproduced_byte_for_byte(kind: str, text: str) -> None:
    vocabulary = exact(kind)
    assert vocabulary.decode(vocabulary.encode(text)) == text.encode()
    assert vocabulary.decode(vocabulary.encode_documents([text, "x"])) == text.encode() + b"\0x\0"


@pytest.mark.parametrize("kind", FOREIGN_TOKENIZERS)
def test_words_of_special_tokens_are_ordinary_text(kind: str) -> None:
    vocabulary = exact(kind)
    added = json.loads(original(kind).to_str())["added_tokens"]
    words = [token["content"] for token in added]
    for text in [*words, " ".join(words), "".join(words)]:
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == text.encode()
        assert not {token["id"] for token in added} & set(ids)


@pytest.mark.parametrize("kind", FOREIGN_TOKENIZERS)
def test_ids_are_those_of_the_original_if_it_changes_nothing(kind: str) -> None:
    vocabulary, tokenizer = exact(kind), Tokenizer.from_str(original(kind).to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if kind in ("llama3", "qwen"):  # their added tokens occur in the texts
        tokenizer = edited(tokenizer, lambda description: description.update(added_tokens=[], post_processor=None))
    for text in [*TEXTS, "x = 12345  # it's\r\n\ty"]:
        if kind in ADDS_SPACE:
            # The original adds a space itself; we encode a text that has one.
            assert vocabulary.encode(" " + text) == tokenizer.encode(text, add_special_tokens=False).ids
        else:
            assert vocabulary.encode(text) == tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", FOREIGN_TOKENIZERS)
def test_a_text_ends_with_its_own_end_of_text_which_represents_nul(kind: str) -> None:
    vocabulary = exact(kind)
    expected = original(kind).token_to_id(END[kind]) if kind in END else vocabulary.encode("\0")[0]
    assert vocabulary.eot_id == expected
    assert vocabulary.token_bytes[expected] == b"\0"
    assert vocabulary.num_bytes[expected] == 1
    assert vocabulary.size == original(kind).get_vocab_size() == len(vocabulary.token_bytes)
    assert (vocabulary.is_own, vocabulary.name) == (False, f"foreign-{vocabulary.size}")


def test_special_tokens_other_than_the_end_have_no_bytes() -> None:
    assert exact("llama3").token_bytes[original("llama3").token_to_id("<|begin_of_text|>")] == b""
    assert exact("starcoder").token_bytes[0] == b""


def test_with_ignore_merges_a_word_is_not_encoded_to_a_special_token_of_that_name() -> None:
    vocabulary = exact("llama3")
    assert original("llama3").encode("eot", add_special_tokens=False).ids == [original("llama3").token_to_id("eot")]
    assert original("llama3").token_to_id("eot") not in vocabulary.encode("eot")
    within = edited(original("llama3"), lambda description: description["model"]["vocab"].update(eot=603))
    assert 603 not in Vocabulary(within).encode("eot")


def test_an_end_of_text_that_merges_make_ends_no_text() -> None:
    tokenizer = edited(
        byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), []),
        lambda description: add_merges(description, "<", "/", "s", ">"),
    )
    vocabulary = Vocabulary(tokenizer)
    assert vocabulary.encode("</s>") == [tokenizer.token_to_id("</s>")]
    assert vocabulary.eot_id == vocabulary.encode("\0")[0]


def add_merges(description: dict[str, Any], *symbols: str) -> None:
    """Add the merges that make one token of the symbols, before all other merges."""
    vocab, merges, left = description["model"]["vocab"], [], symbols[0]
    for right in symbols[1:]:
        vocab.setdefault(left + right, len(vocab))
        merges.append([left, right])
        left += right
    description["model"]["merges"] = merges + [merge for merge in description["model"]["merges"] if merge not in merges]


def test_the_saved_file_is_the_tokenizer_as_it_was_given(tmp_path: Path) -> None:
    for kind in FOREIGN_TOKENIZERS:
        path = tmp_path / f"{kind}.json"
        exact(kind).save(path)
        assert path.read_text(encoding="utf-8") == original(kind).to_str() == exact(kind).to_json()
        loaded = Vocabulary.load(path)
        assert loaded.token_bytes == exact(kind).token_bytes
        assert loaded.encode(TEXTS[2]) == exact(kind).encode(TEXTS[2])
        assert loaded.file_name == exact(kind).file_name


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        ("gpt2", ("1 added token", "the added space in front")),
        ("starcoder", ("3 added tokens",)),
        ("llama3", ("4 added tokens", "post_processor TemplateProcessing")),
        ("qwen", ("4 added tokens", "normalizer NFC", "truncation", "padding")),
        ("falcon", ()),
        ("llama2", ("3 added tokens", "normalizer Prepend", "post_processor TemplateProcessing")),
        ("llama2_metaspace", ("3 added tokens", "the added space in front")),
        ("gemma", ("3 added tokens",)),
    ],
)
def test_removed_parts_are_listed(kind: str, left_out: tuple[str, ...]) -> None:
    assert make_exact(json.loads(original(kind).to_str())).left_out == exact(kind).left_out == left_out


def test_dropout_is_removed() -> None:
    with_dropout = edited(original("falcon"), lambda description: description["model"].update(dropout=0.5))
    vocabulary = Vocabulary(with_dropout)
    assert vocabulary.left_out == ("dropout",)
    assert vocabulary.encode(TEXTS[2]) == exact("falcon").encode(TEXTS[2])


def without_a_byte(description: dict[str, Any]) -> None:
    del description["model"]["vocab"]["<0x0A>"]


def with_merged_bytes(description: dict[str, Any]) -> None:
    description["model"]["vocab"]["<0xC3><0xA9>"] = len(description["model"]["vocab"])
    description["model"]["merges"].append(["<0xC3>", "<0xA9>"])


def cuts(*steps: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda description: description.update(pre_tokenizer={"type": "Sequence", "pretokenizers": list(steps)})


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
REMOVES = {"type": "Split", "pattern": {"String": " "}, "behavior": "Removed", "invert": False}


@pytest.mark.parametrize(
    ("kind", "edit", "reason"),
    [
        (
            "falcon",
            lambda description: description["model"].update(end_of_word_suffix="</w>"),
            "its BPE has the end_of_word_suffix '</w>'",
        ),
        (
            "falcon",
            lambda description: description["model"].update(continuing_subword_prefix="##"),
            "continuing_subword_prefix '##'",
        ),
        ("falcon", cuts(BYTES, BYTES), "has ByteLevel more than once"),
        (
            "falcon",
            cuts(REMOVES, BYTES),
            "its pre-tokenizer has Split that removes its matches, allowed are ByteLevel",
        ),
        ("falcon", cuts({"type": "Whitespace"}, BYTES), "its pre-tokenizer has Whitespace, allowed are"),
        ("falcon", cuts({"type": "Digits", "individual_digits": True}), "has neither ByteLevel nor byte_fallback"),
        ("gemma", without_a_byte, "no token for 1 of the 256 bytes, such as 0x0A"),
        ("gemma", with_merged_bytes, "it merges tokens that represent bytes"),
        (
            "gemma",
            lambda description: description["model"].update(ignore_merges=True),
            "has both ignore_merges and byte_fallback",
        ),
        ("gemma", cuts({"type": "Digits", "individual_digits": True}), "writes spaces as '▁' and cuts by Digits"),
        (
            "gemma",
            lambda description: description["model"]["vocab"].update({" ": 900}),
            "differ only in '▁' or a space",
        ),
        (
            "falcon",
            lambda description: description["model"]["vocab"].update({"huge": 1 << 20}),
            "not distinct, or some are 1,048,576 or more",
        ),
        ("falcon", lambda description: description["model"]["vocab"].update({"twice": 7}), "its ids are not distinct"),
    ],
)
def test_a_tokenizer_that_cannot_be_exact_is_refused_with_the_reason(
    kind: str, edit: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    description = json.loads(original(kind).to_str())
    edit(description)
    with pytest.raises(InexactTokenizer, match=reason) as caught:
        make_exact(description)
    assert str(caught.value).endswith("or train one with python -m nas.tokenizer train")
    assert "\n" not in str(caught.value)


def test_other_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for model in (models.Unigram(), models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"), models.WordLevel({"a": 0}, "a")):
        Tokenizer(model).save(str(path))
        with pytest.raises(CheckpointError, match=r"its model is (Unigram|WordPiece|WordLevel), allowed is BPE; use"):
            Vocabulary.load(path)


def test_two_of_the_same_size_are_prepared_with_ours_and_decode_to_the_same_bytes(
    corpus_folder: Path, cache_of_the_tests: Path
) -> None:
    foreign = [exact("llama3"), exact("gemma")]
    data = prepare_data(str(corpus_folder), ["bytes", *foreign], cache=cache_of_the_tests, progress=lambda line: None)
    assert data.vocabulary_names == ("bytes", *(vocabulary.file_name for vocabulary in foreign))
    text = data.vocabulary("bytes").decode(data.tokens("bytes", "validation"))
    for vocabulary in foreign:
        tokens = data.tokens(vocabulary.file_name, "validation")
        assert vocabulary.decode(tokens) == text
        assert (tokens == vocabulary.eot_id).sum() == text.count(b"\0")
        assert data.vocabulary(vocabulary.file_name).to_json() == vocabulary.to_json()


def test_a_damaged_cache_is_built_again_without_those_that_only_a_file_has(corpus_folder: Path, tmp_path: Path) -> None:
    prepared = prepare_data(str(corpus_folder), ["bpe-300", exact("gemma")], cache=tmp_path, progress=lambda line: None)
    tokens = prepared.folder / f"tokens/{exact('gemma').file_name}/train.bin"
    tokens.write_bytes(b"")
    again = prepare_data(str(corpus_folder), ["bytes", exact("qwen")], cache=tmp_path, progress=lambda line: None)
    assert set(PreparedData.open(again.folder).vocabulary_names) == {"bpe-300", "bytes", exact("qwen").file_name}
