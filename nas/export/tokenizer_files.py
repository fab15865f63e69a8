"""The tokenizer files of transformers: AutoTokenizer gives the same ids for every text, and decodes them exactly.

The end-of-text token is never encoded from text. In our own vocabularies it is NUL, an ordinary character; in foreign
vocabularies it is a word such as "<|endoftext|>", which a source file may contain as plain text. Therefore
`split_special_tokens` is set.
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
    """Return the spelling of the end-of-text token."""
    description: dict[str, Any] = json.loads(vocabulary.to_json())
    token_by_id = {number: token for token, number in description["model"]["vocab"].items()}
    token_by_id |= {int(token["id"]): str(token["content"]) for token in description["added_tokens"]}
    return str(token_by_id[vocabulary.eot_id])


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the content of tokenizer.json; raise UsageError where its ids differ from those of `vocabulary`.

    A foreign tokenizer gets a decoder and its end-of-text token, which nas/tokenizer/foreign_tokenizer.py removed.
    """
    description: dict[str, Any] = json.loads(vocabulary.tokenizer.to_str())
    if not vocabulary.is_own:
        end = end_token(vocabulary)
        description["decoder"] = _BYTE_LEVEL if is_byte_level(description) else _BYTE_FALLBACK
        if end not in description["model"]["vocab"]:
            description["model"]["vocab"][end] = vocabulary.eot_id
            flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
            description["added_tokens"] = [{"id": vocabulary.eot_id, "content": end, **flags, "special": True}]
    _check(description, vocabulary)
    return description


def is_byte_level(description: dict[str, Any]) -> bool:
    """Return whether the tokens of a tokenizer description are spelled in byte symbols, not in characters."""
    return description["model"]["vocab"].keys() >= set(BYTE_SYMBOLS) and not description["model"]["byte_fallback"]


def tokenizer_config(vocabulary: Vocabulary, max_length: int) -> dict[str, Any]:
    """Return the content of tokenizer_config.json; no token is added before or after a text."""
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


def _check(description: dict[str, Any], vocabulary: Vocabulary) -> None:
    """Check with the library behind AutoTokenizer, on texts with everything that some tokenizer got wrong."""
    exported = Tokenizer.from_str(json.dumps(description))
    exported.encode_special_tokens = True
    end = end_token(vocabulary)
    for text in (*PROBE, f"{end} x{end}", "\0"):
        ids = exported.encode(text, add_special_tokens=False).ids
        if ids != vocabulary.encode(text) or exported.decode(ids, skip_special_tokens=False) != text:
            raise UsageError(
                f"AutoTokenizer would encode {text[:20]!r} differently from the tokenizer '{vocabulary.name}'; "
                "to export a model, train it with a tokenizer of python -m nas.tokenizer train"
            )
