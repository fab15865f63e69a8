"""Token soup: text that never repeats and means nothing, recognized by its bits under a model of human code.

The model is a character n-gram model, trained once by `python -m experiments.junk` on human code and then fixed: the
same text costs the same bits whichever model wrote it. Text is junk when it costs more bits than 99% of human texts
of its length; experiments/junk/README.md says how much junk is recognized, and how much human code is
called junk by mistake.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.evaluate.calibration import LENGTHS, value_at_length
from nas.system.files import write_atomically

ALPHABET = 129
"""Number of symbols: the ASCII characters, and one symbol for all others."""
MODEL_FILE = Path(__file__).with_name("human_code.npz")
THRESHOLDS_FILE = Path(__file__).with_name("junk.json")

_NO_KEY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class NgramCounts:
    """N-grams of one length, in ascending order, as numbers whose digits to base ALPHABET are the characters."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class NgramOrder:
    """N-grams of one length in a model; the last entry, which no text matches, represents all dropped n-grams."""

    keys: NDArray[np.int64]
    added: NDArray[np.float64]
    """Probability that the n-gram adds to its last character."""
    backoff: NDArray[np.float64]
    """Weight, after this n-gram, of the probability given by the shorter context."""

    def places(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the index of each n-gram, the last index for those that were dropped."""
        places = np.searchsorted(self.keys[:-1], keys)
        return np.where(self.keys[places] == keys, places, len(self.keys) - 1)


def junk_bits(text: str) -> float:
    """Return the mean bits per character of `text` under the model of human code; 0 for an empty text."""
    return float(-np.log2(probabilities(human_code_model(), text)).mean()) if text else 0.0


def is_junk(text: str) -> bool:
    """Return whether `text` costs more bits than 99% of human texts of its length.

    A text shorter than the shortest of LENGTHS is never junk. Human tables of rare names cost so much that
    many real tokens in random order pass: compare a model's share with the human share. The model
    sees few characters at a time: nonsense made of whole human lines passes, and text that English-speaking
    programmers do not write (another language, tables of symbols, encoded data) is called junk. A loop of a rare
    unit may be called junk too, so apply `nas.evaluate.collapse` first.
    """
    return len(text) >= LENGTHS[0] and junk_bits(text) > human_p99(len(text))


def human_p99(length: int) -> float:
    """Return the bits that 99% of human texts of `length` characters stay below."""
    return value_at_length(p99_bits(), length)


def probabilities(model: Sequence[NgramOrder], text: str) -> NDArray[np.float64]:
    """Return the probability of each character after those before it, by interpolated Witten-Bell smoothing.

    P(c | h) = (C(hc) + (T(h) + D(h)) P(c | h')) / (C(h) + T(h)): h is the characters before c and h' is h without
    its first, C(.) how often an n-gram was seen, T(h) how many kept n-grams extend h, D(h) how often those were
    seen that were dropped as rare (with D(h) = 0 it is the textbook's formula). P(c | h) = P(c | h') for an h that
    was not kept, and below the empty context all characters are equally likely. The first characters have shorter
    contexts.
    Sources: Witten and Bell, The zero-frequency problem, 1991, method C; Chen and Goodman, An empirical study of
    smoothing techniques for language modeling, 1998, section 2.4.
    """
    codes = character_codes(text)
    result = np.full(len(codes), 1 / ALPHABET)
    keys = np.zeros(len(codes) + 1, dtype=np.int64)
    places = np.zeros(len(codes) + 1, dtype=np.intp)
    for length, order in enumerate(model[1:], start=1):
        if length > len(codes):
            break
        contexts, keys = places[:-1], keys[:-1] * ALPHABET + codes[length - 1 :]
        places = order.places(keys)
        result[length - 1 :] = order.added[places] + model[length - 1].backoff[contexts] * result[length - 1 :]
    return result


def count_ngrams(texts: Sequence[str], min_counts: Sequence[int]) -> list[NgramCounts]:
    """Count the n-grams of 1, 2, ... characters seen at least `min_counts[0]`, `min_counts[1]`, ... times.

    No n-gram reaches from one text into the next.
    """
    codes = [character_codes(text) for text in texts]
    keys = [np.zeros(len(text_codes) + 1, dtype=np.int64) for text_codes in codes]
    ngrams = []
    for length, min_count in enumerate(min_counts, start=1):
        keys = [
            shorter[:-1] * ALPHABET + text_codes[length - 1 :] for shorter, text_codes in zip(keys, codes, strict=True)
        ]
        distinct, counts = np.unique(np.concatenate(keys), return_counts=True)
        ngrams.append(NgramCounts(distinct[counts >= min_count], counts[counts >= min_count]))
    return ngrams


def build_model(ngrams: Sequence[NgramCounts]) -> tuple[NgramOrder, ...]:
    """Return the model of counted n-grams; its first order is the empty context.

    The context of every kept n-gram must be kept too.
    """
    lower, added, orders = _empty_context(ngrams), np.ones(1), []
    for order in ngrams:
        contexts = np.searchsorted(lower.keys, order.keys // ALPHABET)
        kinds = np.bincount(contexts, minlength=len(lower.keys))
        kept = np.bincount(contexts, weights=order.counts, minlength=len(lower.keys))
        totals = lower.counts + kinds
        orders.append(_order(lower.keys, added, (totals - kept) / totals))
        lower, added = order, order.counts / totals[contexts]
    return (*orders, _order(lower.keys, added, np.ones(len(added))))


def _empty_context(ngrams: Sequence[NgramCounts]) -> NgramCounts:
    return NgramCounts(np.zeros(1, dtype=np.int64), ngrams[0].counts.sum(keepdims=True))


def _order(keys: NDArray[np.int64], added: NDArray[np.float64], backoff: NDArray[np.float64]) -> NgramOrder:
    return NgramOrder(np.append(keys, _NO_KEY), np.append(added, 0.0), np.append(backoff, 1.0))


def save_model(path: Path, ngrams: Sequence[NgramCounts]) -> None:
    """Write each n-gram as its last character and its count, and per context the number of n-grams that extend it."""
    arrays, lower_keys = {}, np.zeros(1, dtype=np.int64)
    for length, order in enumerate(ngrams, start=1):
        contexts = np.searchsorted(lower_keys, order.keys // ALPHABET)
        arrays[f"kinds_{length}"] = np.bincount(contexts, minlength=len(lower_keys)).astype(np.uint8)
        arrays[f"last_{length}"] = (order.keys % ALPHABET).astype(np.uint8)
        arrays[f"counts_{length}"] = order.counts.astype(np.uint32)
        lower_keys = order.keys
    stored = io.BytesIO()
    np.savez_compressed(stored, allow_pickle=False, **arrays)
    write_atomically(path, lambda temporary: temporary.write_bytes(stored.getvalue()))


def load_model(path: Path) -> tuple[NgramOrder, ...]:
    """Return the model that `save_model` wrote, ready for `probabilities`."""
    ngrams, keys = [], np.zeros(1, dtype=np.int64)
    with np.load(path, allow_pickle=False) as arrays:
        for length in range(1, len(arrays.files) // 3 + 1):
            keys = np.repeat(keys, arrays[f"kinds_{length}"]) * ALPHABET + arrays[f"last_{length}"]
            ngrams.append(NgramCounts(keys, arrays[f"counts_{length}"].astype(np.int64)))
    return build_model(ngrams)


@cache
def human_code_model() -> tuple[NgramOrder, ...]:
    """Return the fixed model of human code."""
    return load_model(MODEL_FILE)


@cache
def p99_bits() -> tuple[float, ...]:
    """Return the calibrated threshold for each of LENGTHS."""
    stored = json.loads(THRESHOLDS_FILE.read_text(encoding="utf-8"))
    assert stored["lengths"] == list(LENGTHS), THRESHOLDS_FILE
    return tuple(stored["p99_bits"])


def character_codes(text: str) -> NDArray[np.int64]:
    """Return a number below ALPHABET for each character."""
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    return np.minimum(codes, ALPHABET - 1).astype(np.int64)
