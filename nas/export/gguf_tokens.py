"""A vocabulary as a GGUF file stores it: tokenizer `gpt2` (byte-level BPE) with the pre-tokenizer `gpt-2`."""

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
_ADVICE = "use a byte-level BPE of python -m nas.tokenizer train, or gpt2"


@dataclass(frozen=True)
class GGUFTokens:
    """The tokens by id, the kind of each, and the merges."""

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    merges: tuple[str, ...]
    eot_id: int

    def add_to(self, writer: GGUFWriter) -> None:
        """Add the tokenizer to a GGUF file."""
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
    """Return the tokens of a vocabulary; raise UsageError when a GGUF tokenizer would encode some text differently."""
    description: dict[str, Any] = json.loads(vocabulary.tokenizer.to_str())
    if reason := _incompatibility(description, vocabulary):
        raise UsageError(f"a GGUF file cannot store the tokenizer '{vocabulary.name}': {reason}; {_ADVICE}")
    token_by_id = {number: token for token, number in description["model"]["vocab"].items()}
    kinds = [_NORMAL if number in token_by_id else _UNUSED for number in range(vocabulary.size)]
    if vocabulary.eot_id not in token_by_id:
        # It is never encoded from text, unlike the NUL of our own vocabularies, which stays a normal token.
        token_by_id[vocabulary.eot_id] = end_token(vocabulary)
        kinds[vocabulary.eot_id] = _CONTROL
    tokens = tuple(token_by_id.get(number, f"[unused {number}]") for number in range(vocabulary.size))
    merges = tuple(f"{left} {right}" for left, right in vocabulary.merges)
    return GGUFTokens(tokens, tuple(kinds), merges, vocabulary.eot_id)


def _incompatibility(description: dict[str, Any], vocabulary: Vocabulary) -> str:
    if not is_byte_level(description):
        return "its tokens are characters, not bytes"
    if not vocabulary.merges:
        return "it has no merges"
    steps = description["pre_tokenizer"]
    flat_steps = steps["pretokenizers"] if steps["type"] == "Sequence" else [steps]
    if [(step["type"], step.get("use_regex")) for step in flat_steps] != [("ByteLevel", True)]:
        return "it splits words differently from GPT-2"
    return "it takes whole words as tokens (ignore_merges)" if description["model"]["ignore_merges"] else ""
