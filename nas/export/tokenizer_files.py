"""A vocabulary as AutoTokenizer reads it: the same ids for every text, and the text back.

What ends a text is never read out of one. Of our own vocabularies it is a token of ordinary text, NUL; of those of
others a word such as "<|endoftext|>", which in a source file is text like any other. So `split_special_tokens` is set.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer

from nas.errors import UsageError
from nas.tokenizer.byte_symbols import BYTE_SYMBOLS
from nas.tokenizer.foreign_tokenizer import PROBE
from nas.tokenizer.vocabulary import Vocabulary

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
_BYTE_FALLBACK = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}


def end_token(vocabulary: Vocabulary) -> str:
    """How the token that ends a text is spelled."""
    given: dict[str, Any] = json.loads(vocabulary.to_json())
    known = {number: token for token, number in given["model"]["vocab"].items()}
    known |= {int(one["id"]): str(one["content"]) for one in given["added_tokens"]}
    return str(known[vocabulary.eot_id])


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """The parsed tokenizer.json; UsageError where its ids are not those of `vocabulary`.

    That of others is what is left of it (nas/tokenizer/foreign_tokenizer.py), with a decoder and the word that ends a text.
    """
    described: dict[str, Any] = json.loads(vocabulary.tokenizer.to_str())
    if not vocabulary.is_own:
        end = end_token(vocabulary)
        described["decoder"] = _BYTE_LEVEL if is_byte_level(described) else _BYTE_FALLBACK
        if end not in described["model"]["vocab"]:
            described["model"]["vocab"][end] = vocabulary.eot_id
            flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
            described["added_tokens"] = [{"id": vocabulary.eot_id, "content": end, **flags, "special": True}]
    _check(described, vocabulary)
    return described


def is_byte_level(described: dict[str, Any]) -> bool:
    """Whether tokens are spelled in the symbols of bytes, and not in characters."""
    return described["model"]["vocab"].keys() >= set(BYTE_SYMBOLS) and not described["model"]["byte_fallback"]


def tokenizer_config(vocabulary: Vocabulary, max_length: int) -> dict[str, Any]:
    """The parsed tokenizer_config.json. Nothing is put around a text: a model of ours reads it as it is."""
    end = end_token(vocabulary)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end,
        "eos_token": end,
        "add_bos_token": False,
        "add_eos_token": False,
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_length,
    }


def _check(described: dict[str, Any], vocabulary: Vocabulary) -> None:
    """By the library that AutoTokenizer uses, on texts of everything that has gone wrong in some tokenizer."""
    written = Tokenizer.from_str(json.dumps(described))
    written.encode_special_tokens = True
    end = end_token(vocabulary)
    for text in (*PROBE, f"{end} x{end}", "\0"):
        ids = written.encode(text, add_special_tokens=False).ids
        if ids != vocabulary.encode(text) or written.decode(ids, skip_special_tokens=False) != text:
            raise UsageError(
                f"AutoTokenizer would read a text otherwise than the tokenizer '{vocabulary.name}' does "
                f"({text[:20]!r}); train with one of python -m nas.tokenizer train to export the model"
            )
