"""Small tokenizers of the kinds that others publish, trained with the same library, named for their models."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.helpers.texts import TEXTS

GPT4_CUTS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
SIZE = 600


def trained(tokenizer: Tokenizer, special: list[str], alphabet: list[str]) -> Tokenizer:
    """Train a tokenizer; the library's trainer gives the special tokens the first ids."""
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    lines = [line for text in TEXTS for line in text.splitlines(keepends=True)]
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def byte_level(cuts: pre_tokenizers.PreTokenizer, special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = cuts
    tokenizer.decoder = decoders.ByteLevel()
    return trained(tokenizer, special, pre_tokenizers.ByteLevel.alphabet())


def edited(tokenizer: Tokenizer, edit: Callable[[dict[str, Any]], None]) -> Tokenizer:
    """Return the tokenizer whose JSON was changed by `edit`."""
    description = json.loads(tokenizer.to_str())
    edit(description)
    return Tokenizer.from_str(json.dumps(description))


def gpt2() -> Tokenizer:
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), ["<|endoftext|>"])


def starcoder() -> Tokenizer:
    cuts = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return byte_level(cuts, ["<fim_prefix>", "<|endoftext|>", "<|fim_prefix|>"])


def split_then_bytes() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(GPT4_CUTS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def llama3() -> Tokenizer:
    """Return a tokenizer with whole words (ignore_merges), special tokens last, and one in front of every text."""
    tokenizer = edited(
        byte_level(split_then_bytes(), []), lambda description: description["model"].update(ignore_merges=True)
    )
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<s", "eot"])
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A",
                special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))],
            ),
        ]
    )
    return tokenizer


def qwen() -> Tokenizer:
    tokenizer = byte_level(split_then_bytes(), [])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(["<|im_end|>", "<|endoftext|>"])
    tokenizer.add_tokens(["<|fim_prefix|>", "    "])
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=4)
    return tokenizer


def falcon() -> Tokenizer:
    cuts = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Punctuation("contiguous"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            pre_tokenizers.Digits(individual_digits=False),
        ]
    )
    return byte_level(cuts, [])


def characters(normalizer: normalizers.Normalizer | None, cuts: pre_tokenizers.PreTokenizer | None) -> Tokenizer:
    """Return a tokenizer of characters and merges of them, with byte fallback."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    if cuts:
        tokenizer.pre_tokenizer = cuts
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trained(tokenizer, ["<unk>", "<s>", "</s>", *fallback], [])

    def fall_back(description: dict[str, Any]) -> None:
        description["model"].update(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
        description["added_tokens"] = description["added_tokens"][:3]

    return edited(tokenizer, fall_back)


def llama2() -> Tokenizer:
    tokenizer = characters(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def llama2_metaspace() -> Tokenizer:
    return characters(None, pre_tokenizers.Metaspace("▁", "first", split=False))


def metaspace_words() -> Tokenizer:
    return characters(None, pre_tokenizers.Metaspace("▁", "never", split=True))


def gemma() -> Tokenizer:
    return characters(normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"))


def plain_characters() -> Tokenizer:
    return characters(None, pre_tokenizers.Digits(individual_digits=True))


FOREIGN_TOKENIZERS = {
    build.__name__: build
    for build in (
        gpt2, starcoder, llama3, qwen, falcon, llama2, llama2_metaspace, metaspace_words, gemma, plain_characters
    )
}  # fmt: skip
