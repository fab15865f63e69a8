"""A vocabulary as GGUF files hold it: tokenizer `gpt2`, byte-level BPE, with the cuts that llama.cpp calls `gpt-2`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import UsageError
from nas.export.tokenizer_files import end_token, is_byte_level
from nas.tokenizer.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gguf import GGUFWriter

_NORMAL, _CONTROL, _UNUSED = 1, 3, 5
_INSTEAD = "a byte-level BPE of python -m nas.tokenizer train, or gpt2, would do"


@dataclass(frozen=True)
class GGUFTokens:
    """The tokens by id, what kind each is, and the merges."""

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    eot_id: int

    def add_to(self, writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.kinds)
        writer.add_token_merges(self.merges)
        writer.add_bos_token_id(self.eot_id)
        writer.add_eos_token_id(self.eot_id)
        writer.add_add_bos_token(False)
        writer.add_add_eos_token(False)


def gguf_tokens(vocabulary: Vocabulary) -> GGUFTokens:
    """UsageError with the reason where the tokenizer of GGUF files would read a text otherwise."""
    described: dict[str, Any] = json.loads(vocabulary.tokenizer.to_str())
    if reason := _reason(described, vocabulary):
        raise UsageError(f"a GGUF file cannot hold the tokenizer '{vocabulary.name}': {reason}; {_INSTEAD}")
    known = {number: token for token, number in described["model"]["vocab"].items()}
    kinds = [_NORMAL if number in known else _UNUSED for number in range(vocabulary.size)]
    if vocabulary.eot_id not in known:
        # A word of its own: ordinary text never holds the token. Our NUL stays a token of ordinary text.
        known[vocabulary.eot_id] = end_token(vocabulary)
        kinds[vocabulary.eot_id] = _CONTROL
    tokens = tuple(known.get(number, f"[unused {number}]") for number in range(vocabulary.size))
    merges = tuple(f"{left} {right}" for left, right in vocabulary.merges)
    return GGUFTokens(tokens, tuple(kinds), merges, vocabulary.eot_id)


def _reason(described: dict[str, Any], vocabulary: Vocabulary) -> str:
    if not is_byte_level(described):
        return "it spells in characters"
    if not vocabulary.merges:
        return "it has no merges"
    steps = described["pre_tokenizer"]
    flat = steps["pretokenizers"] if steps["type"] == "Sequence" else [steps]
    if [(step["type"], step.get("use_regex")) for step in flat] != [("ByteLevel", True)]:
        return "it cuts words otherwise than GPT-2 does"
    return "it takes words whole (ignore_merges)" if described["model"]["ignore_merges"] else ""
