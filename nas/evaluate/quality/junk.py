"""Token soup: text that never repeats and means nothing, so no collapse; told by its bits under a model of human code.

The model is of characters, trained once by `python -m experiments.junk` on code as people write it, and fixed: the
same text costs the same bits wherever it came from. Text is junk when it costs more than all but one in a hundred
human texts of its length; experiments/collapse_detector/README.md says how much is found, and how much human code is wronged.
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

from nas.evaluate.by_length import LENGTHS, at_length
from nas.system.files import write_atomically

ALPHABET = 129
"""The characters of ASCII, and one symbol for all others."""
MODEL_FILE = Path(__file__).with_name("human_code.npz")
THRESHOLDS_FILE = Path(__file__).with_name("junk.json")

_NO_KEY = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Counts:
    """N-grams of one length, as numbers whose digits to base ALPHABET are the characters, in ascending order."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """N-grams of one length in a model; the last entry, which no text matches, stands for all that is not kept."""

    keys: NDArray[np.int64]
    own: NDArray[np.float64]
    """What the n-gram adds to the probability of its last character."""
    left: NDArray[np.float64]
    """Weight, after this n-gram, of what shorter contexts say."""

    def places(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        found = np.searchsorted(self.keys[:-1], keys)
        return np.where(self.keys[found] == keys, found, len(self.keys) - 1)


def junk_bits(text: str) -> float:
    """Mean bits of a character of `text` under the model of human code; 0 for no text."""
    return float(-np.log2(probabilities(human_code(), text)).mean()) if text else 0.0


def is_junk(text: str) -> bool:
    """Whether `text` costs more bits than 99% of human texts of its length.

    A text shorter than the shortest of LENGTHS is not judged: False. People's tables of rare names cost so much that
    many real tokens in random order pass: compare a model's share with people's. The model
    sees few characters at a time: nonsense out of whole human lines passes, and what is no code of English-speaking
    people (another language, tables of symbols, encoded data) is called junk. Loops are `nas.evaluate.collapse`'s to
    find; one of a rare unit may be called junk too, so ask that one first.
    """
    return len(text) >= LENGTHS[0] and junk_bits(text) > human_p99(len(text))


def human_p99(length: int) -> float:
    """Bits that 99% of human texts of `length` characters stay below."""
    return at_length(p99_bits(), length)


def probabilities(model: Sequence[Order], text: str) -> NDArray[np.float64]:
    """The probability of each character after those before it, by interpolated Witten-Bell.

    P(c | h) = (C(hc) + (T(h) + D(h)) P(c | h')) / (C(h) + T(h)): h is the characters before c and h' is h without
    its first, C(.) how often an n-gram was seen, T(h) how many kept n-grams go on from h, D(h) how often those were
    seen that were dropped as rare (with D(h) = 0 it is the textbook's). P(c | h) = P(c | h') for an h that was not
    kept, and below the empty context all characters are alike. The first characters have shorter contexts.
    Sources: Witten and Bell, The zero-frequency problem, 1991, method C; Chen and Goodman, An empirical study of
    smoothing techniques for language modeling, 1998, section 2.4.
    """
    codes = encoded(text)
    found = np.full(len(codes), 1 / ALPHABET)
    keys = np.zeros(len(codes) + 1, dtype=np.int64)
    places = np.zeros(len(codes) + 1, dtype=np.intp)
    for length, order in enumerate(model[1:], start=1):
        if length > len(codes):
            break
        contexts, keys = places[:-1], keys[:-1] * ALPHABET + codes[length - 1 :]
        places = order.places(keys)
        found[length - 1 :] = order.own[places] + model[length - 1].left[contexts] * found[length - 1 :]
    return found


def counted(texts: Sequence[str], least: Sequence[int]) -> list[Counts]:
    """N-grams of 1, 2, ... characters that are seen at least `least[0]`, `least[1]`, ... times, none across texts."""
    codes = [encoded(text) for text in texts]
    keys = [np.zeros(len(one) + 1, dtype=np.int64) for one in codes]
    found = []
    for length, fewest in enumerate(least, start=1):
        keys = [before[:-1] * ALPHABET + one[length - 1 :] for before, one in zip(keys, codes, strict=True)]
        different, counts = np.unique(np.concatenate(keys), return_counts=True)
        found.append(Counts(different[counts >= fewest], counts[counts >= fewest]))
    return found


def built(found: Sequence[Counts]) -> tuple[Order, ...]:
    """The model of n-grams, whose contexts must be kept wherever they are; its first order is the empty context."""
    lower, own, orders = _empty_context(found), np.ones(1), []
    for one in found:
        contexts = np.searchsorted(lower.keys, one.keys // ALPHABET)
        kinds = np.bincount(contexts, minlength=len(lower.keys))
        kept = np.bincount(contexts, weights=one.counts, minlength=len(lower.keys))
        totals = lower.counts + kinds
        orders.append(_order(lower.keys, own, (totals - kept) / totals))
        lower, own = one, one.counts / totals[contexts]
    return (*orders, _order(lower.keys, own, np.ones(len(own))))


def _empty_context(found: Sequence[Counts]) -> Counts:
    return Counts(np.zeros(1, dtype=np.int64), found[0].counts.sum(keepdims=True))


def _order(keys: NDArray[np.int64], own: NDArray[np.float64], left: NDArray[np.float64]) -> Order:
    return Order(np.append(keys, _NO_KEY), np.append(own, 0.0), np.append(left, 1.0))


def save_model(path: Path, found: Sequence[Counts]) -> None:
    """Each n-gram as its last character and its count, and for each of one character less how many go on from it."""
    arrays, lower = {}, np.zeros(1, dtype=np.int64)
    for length, one in enumerate(found, start=1):
        contexts = np.searchsorted(lower, one.keys // ALPHABET)
        arrays[f"kinds_{length}"] = np.bincount(contexts, minlength=len(lower)).astype(np.uint8)
        arrays[f"last_{length}"] = (one.keys % ALPHABET).astype(np.uint8)
        arrays[f"counts_{length}"] = one.counts.astype(np.uint32)
        lower = one.keys
    stored = io.BytesIO()
    np.savez_compressed(stored, allow_pickle=False, **arrays)
    write_atomically(path, lambda temporary: temporary.write_bytes(stored.getvalue()))


def load_model(path: Path) -> tuple[Order, ...]:
    """What `save_model` wrote, ready for `probabilities`."""
    found, keys = [], np.zeros(1, dtype=np.int64)
    with np.load(path, allow_pickle=False) as arrays:
        for length in range(1, len(arrays.files) // 3 + 1):
            keys = np.repeat(keys, arrays[f"kinds_{length}"]) * ALPHABET + arrays[f"last_{length}"]
            found.append(Counts(keys, arrays[f"counts_{length}"].astype(np.int64)))
    return built(found)


@cache
def human_code() -> tuple[Order, ...]:
    """The fixed model."""
    return load_model(MODEL_FILE)


@cache
def p99_bits() -> tuple[float, ...]:
    """The threshold for each of LENGTHS, as calibrated."""
    stored = json.loads(THRESHOLDS_FILE.read_text(encoding="utf-8"))
    assert stored["lengths"] == list(LENGTHS), THRESHOLDS_FILE
    return tuple(stored["p99_bits"])


def encoded(text: str) -> NDArray[np.int64]:
    """A number below ALPHABET for each character."""
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    return np.minimum(codes, ALPHABET - 1).astype(np.int64)
