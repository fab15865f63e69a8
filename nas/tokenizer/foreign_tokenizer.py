"""Foreign tokenizers, which others trained, made exact: every text is reproduced byte for byte.

Two kinds of BPE can be exact. Byte-level ones (GPT-2, StarCoder, Llama 3, Qwen) write a text in the symbols of its
UTF-8 bytes. Those with byte fallback (Llama 2, Gemma) write it in characters, and unknown characters in bytes; if
they write a space as "▁", it becomes a space in their tokens again, so that a "▁" in the text stays what it is. All
steps that change a text before or after the BPE are removed, and so are added tokens: the characters
"<|endoftext|>" in a source file are ordinary text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from nas.tokenizer.byte_symbols import BYTE_SYMBOLS, FALLBACK_SYMBOLS
from nas.tokenizer.foreign_cuts import (
    ADVICE,
    InexactTokenizer,
    byte_level_cuts,
    fallback_cuts,
    flatten,
    replaces_space,
)

MAX_SIZE = 1 << 20
END_OF_TEXT = (
    "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "<EOS>", "[EOS]", "<EOS_TOKEN>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)  # fmt: skip
"""Names of the end of a document; the first one that a tokenizer has is used."""

PROBE = (
    "".join(map(chr, range(0x250))),
    "def f(x):\r\n\treturn  x   \n\n\n    # '\u2581' \u0120 \u010a <0x41> don't 12345\u00a0\u2028",
    "\u65e5\u672c\u8a9e e\u0301 \U0001f600\U0001f469\u200d\U0001f469\u200d\U0001f466 \ufeff\ufffd\uffff\U0010ffff",
)


@dataclass(frozen=True)
class ForeignTokenizer:
    """The exact part of a foreign tokenizer: the BPE, the bytes of each id, and the id that ends a text."""

    tokenizer: Tokenizer
    token_bytes: tuple[bytes, ...]
    """(V,): the bytes of each id; empty if no text is encoded to it, a NUL for `eot_id`."""
    eot_id: int
    """Its own end of text if it has one of END_OF_TEXT, else its id of the NUL byte."""
    left_out: tuple[str, ...]
    """The removed parts, in words."""


def make_exact(description: Mapping[str, Any]) -> ForeignTokenizer:
    """Make a tokenizer exact, given the parsed JSON of `tokenizers.Tokenizer.to_str`.

    Raises InexactTokenizer with the reason if that is impossible.
    """
    model = dict(description["model"])
    if model["type"] != "BPE":
        raise InexactTokenizer(f"its model is {model['type']}, allowed is BPE; {ADVICE}")
    for affix in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model[affix]:
            raise InexactTokenizer(f"its BPE has the {affix} {model[affix]!r}, allowed is none; {ADVICE}")
    steps = list(flatten(description["pre_tokenizer"], "pretokenizers"))
    left_out = _removed_parts(description, steps)
    if any(step["type"] == "ByteLevel" for step in steps):
        byte_of = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
        steps = byte_level_cuts(steps)
    else:
        byte_of = {symbol: byte for byte, symbol in enumerate(FALLBACK_SYMBOLS)}
        mark, steps = fallback_cuts(steps, list(flatten(description["normalizer"], "normalizers")))
        model = _with_spaces(model, mark) if mark else model
        _check_fallback(model, byte_of)
    _check_bytes(model["vocab"], byte_of)
    vocab, special, size, eot_id = _ids(description, model, byte_of)
    cleaned = {
        "version": description["version"],
        **dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder")),
        "added_tokens": [],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps} if steps else None,
        "model": model | {"vocab": vocab, "dropout": None, "unk_token": None},
    }
    is_byte_level = byte_of.keys() == set(BYTE_SYMBOLS)
    token_bytes = [b""] * size
    for token, number in vocab.items():
        token_bytes[number] = _bytes_of(token, byte_of, is_byte_level=is_byte_level)
    token_bytes[eot_id] = b"\0"
    exact = ForeignTokenizer(Tokenizer.from_str(json.dumps(cleaned)), tuple(token_bytes), eot_id, left_out)
    _check_probe(exact, special)
    return exact


def _with_spaces(model: dict[str, Any], mark: str) -> dict[str, Any]:
    """Return the model with a space in place of `mark` in its tokens."""
    vocab = {token.replace(mark, " "): number for token, number in model["vocab"].items()}
    if len(vocab) < len(model["vocab"]):
        raise InexactTokenizer(
            f"it has tokens that differ only in '{mark}' or a space, allowed is one of them; {ADVICE}"
        )
    merges = [[left.replace(mark, " "), right.replace(mark, " ")] for left, right in model["merges"]]
    return model | {"vocab": vocab, "merges": merges}


def _check_fallback(model: Mapping[str, Any], byte_of: Mapping[str, int]) -> None:
    if not model["byte_fallback"]:
        raise InexactTokenizer(f"it has neither ByteLevel nor byte_fallback, one of them is needed; {ADVICE}")
    if model["ignore_merges"]:
        raise InexactTokenizer(f"it has both ignore_merges and byte_fallback, allowed is one of them; {ADVICE}")
    if any(part in byte_of for merge in model["merges"] for part in merge):
        raise InexactTokenizer(f"it merges tokens that represent bytes, allowed is no such merge; {ADVICE}")


def _check_bytes(vocab: Mapping[str, int], byte_of: Mapping[str, int]) -> None:
    missing = [byte for symbol, byte in byte_of.items() if symbol not in vocab]
    if missing:
        raise InexactTokenizer(
            f"it has no token for {len(missing)} of the 256 bytes, such as 0x{missing[0]:02X}; {ADVICE}"
        )


def _ids(
    description: Mapping[str, Any], model: Mapping[str, Any], byte_of: Mapping[str, int]
) -> tuple[dict[str, int], list[str], int, int]:
    """Return the vocabulary without special tokens, these tokens, the number of ids, and the end-of-text id.

    A special token that no merge makes is removed, because with `ignore_merges` a text could be encoded to it.
    """
    added = {token["content"]: int(token["id"]) for token in description["added_tokens"]}
    in_merges = {token for left, right in model["merges"] for token in (left, right, left + right)}
    known = model["vocab"]
    ordinary = {token for token in known if token in in_merges or token in byte_of or len(token) == 1}
    special = [token for token in (*END_OF_TEXT, *added) if token in added or token in known]
    vocab = {token: number for token, number in known.items() if token in ordinary or token not in special}
    numbers = set(vocab.values())
    highest = max(*known.values(), *added.values(), 0)
    if len(numbers) < len(vocab) or highest >= MAX_SIZE:
        raise InexactTokenizer(f"its ids are not distinct, or some are {MAX_SIZE:,} or more; {ADVICE}")
    own = [added.get(token, known.get(token, -1)) for token in END_OF_TEXT if token in special and token not in vocab]
    eot_id = next((number for number in own if number not in numbers), None)
    nul = next(symbol for symbol, byte in byte_of.items() if byte == 0)
    if eot_id is None:
        eot_id = vocab.get("\0", vocab[nul])
    return vocab, special, highest + 1, eot_id


def _bytes_of(token: str, byte_of: Mapping[str, int], *, is_byte_level: bool) -> bytes:
    if not is_byte_level:
        return bytes([byte_of[token]]) if token in byte_of else token.encode()
    # A pre-token has only symbols of bytes, so no text is encoded to a token with other symbols.
    return bytes([byte_of[symbol] for symbol in token]) if all(symbol in byte_of for symbol in token) else b""


def _removed_parts(description: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the parts that change a text or add tokens to it, in words."""
    parts = []
    if count := len(description["added_tokens"]):
        parts.append(f"{count} added token{'s' if count > 1 else ''}")
    for kind, inner in (("normalizer", "normalizers"), ("post_processor", "processors")):
        types = [step["type"] for step in flatten(description[kind], inner) if not replaces_space(step)]
        # A ByteLevel post-processor only trims offsets.
        names = [name for name in types if (kind, name) != ("post_processor", "ByteLevel")]
        if names:
            parts.append(f"{kind} {', '.join(names)}")
    if any(step.get("add_prefix_space") or step.get("prepend_scheme", "never") != "never" for step in steps):
        parts.append("the added space in front")
    parts += [part for part in ("truncation", "padding") if description[part]]
    return (*parts, "dropout") if description["model"]["dropout"] else tuple(parts)


def _check_probe(exact: ForeignTokenizer, special: list[str]) -> None:
    """Raise InexactTokenizer if a hard text is not reproduced, for reasons that the other checks do not know."""
    for text in (*PROBE, " ".join(special), "".join(special)):
        ids = exact.tokenizer.encode(text, add_special_tokens=False).ids
        if b"".join([exact.token_bytes[i] for i in ids]) != text.encode():
            raise InexactTokenizer(f"it does not reproduce a test text; {ADVICE}")
