"""Scores of a trained model per block of text and per prompt, so that parts of them can be compared."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nas.data.prepared import PreparedData
from nas.evaluate.code_prompts import cut_prompts
from nas.evaluate.metrics import DECODINGS, complete, limited_collapse_rule
from nas.inference.bits_per_byte import token_nats
from nas.model import Decoder, SamplingSettings
from nas.tokenizer.vocabulary import Vocabulary

BLOCK_BYTES = 4096
"""Bytes of a block of validation text, the same for every vocabulary."""
NUM_PROMPTS = 256
DECODINGS_STUDIED = {**DECODINGS, "cool": SamplingSettings(temperature=0.5, top_p=1.0, top_k=40)}
"""The decodings of a trial, and one between them: sampled, but so close to greedy that small models loop."""
COMPLETION_BYTES = (50, 100, 200)
"""Collapse is detected in the first bytes of each completion, this many of them."""


def block_bits(model: Decoder, vocabulary: Vocabulary, data: PreparedData) -> NDArray[np.float64]:
    """Return the bits of each block of BLOCK_BYTES bytes of the whole validation split, (blocks,)."""
    tokens = vocabulary.encode_documents(data.documents("validation"))
    bits = token_nats(model, tokens, vocabulary.eot_id, model.config.max_seq_length) / math.log(2)
    starts = np.cumsum(vocabulary.num_bytes[tokens]) - vocabulary.num_bytes[tokens]
    blocks: NDArray[np.float64] = np.bincount(starts // BLOCK_BYTES, weights=bits).astype(np.float64)
    return blocks


def collapse_digits(
    model: Decoder, vocabulary: Vocabulary, data: PreparedData, max_prompt_bytes: int
) -> dict[str, dict[int, str]]:
    """Return decoding -> length in bytes -> one digit per prompt, 1 where the completion has collapsed."""
    prompts = cut_prompts(data.documents("validation"), NUM_PROMPTS, max_prompt_bytes, max(COMPLETION_BYTES))
    digits: dict[str, dict[int, str]] = {}
    for decoding, sampling in DECODINGS_STUDIED.items():
        texts, _ = complete(model, vocabulary, prompts, sampling, max(COMPLETION_BYTES))
        digits[decoding] = {
            length: "".join(
                str(int(limited_collapse_rule(_first_bytes(text, length), prompt, length) is not None))
                for text, prompt in zip(texts, prompts, strict=True)
            )
            for length in COMPLETION_BYTES
        }
    return digits


def _first_bytes(text: str, num_bytes: int) -> str:
    return text.encode()[:num_bytes].decode(errors="ignore")
