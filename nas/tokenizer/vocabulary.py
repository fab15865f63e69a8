"""Vocabularies: text to token ids and back, over the same bytes for every vocabulary.

A text ends with an end-of-text token, which represents the NUL character that no document has. So the token streams of
all vocabularies decode to exactly the same bytes, and bits per byte can compare them. Our own vocabularies have no
special tokens: the ids 0 to 127 are the ASCII characters and 128 to 255 the bytes of that value, so NUL is id 0. The
ids from 256 on are learned. Foreign vocabularies keep their ids.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from nas.errors import CheckpointError, UsageError
from nas.tokenizer.byte_symbols import BYTE_SYMBOLS, CHAR_SYMBOLS
from nas.tokenizer.foreign_cuts import InexactTokenizer
from nas.tokenizer.foreign_tokenizer import MAX_SIZE, make_exact
from nas.tokenizer.gpt2 import GPT2, is_gpt2

BYTES = "bytes"
CHAR = "char"
NUM_BYTE_IDS = 256
MIN_PAIR_COUNT = 2
MIN_CHARACTER_COUNT = 10
BATCH_DOCUMENTS = 64
"""Documents encoded at once; the library's own records of tokens need many times the memory of their ids."""

FILE_PREFIX = "file-"
# Steps that change a text before or after the model, which our own tokenizers do not have.
FOREIGN_STEPS = ("added_tokens", "normalizer", "post_processor", "truncation", "padding")

TokenArray = NDArray[np.unsignedinteger[Any]]
TokenType = np.dtype[np.unsignedinteger[Any]]


class Vocabulary:
    """A `tokenizers.Tokenizer` with the bytes of each id: our own, or a foreign one that is made exact.

    There are three kinds of our own. `bytes` has 256 ids. `bpe-N` adds merges up to N ids (byte-level BPE over GPT-2's
    word pattern). `char` has one id for each ASCII character and for each other character that is frequent in the
    training text, and writes the rest in bytes. Foreign ones are `gpt2` and `foreign-N`, see
    nas.tokenizer.foreign_tokenizer. Raises InexactTokenizer, a ValueError, for a tokenizer that cannot reproduce every
    text byte for byte.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._json = tokenizer.to_str()
        description = json.loads(self._json)
        model = description["model"]
        own = _token_bytes(description)
        self.tokenizer: Tokenizer
        self.token_bytes: tuple[bytes, ...]
        self.eot_id: int
        self.left_out: tuple[str, ...] = ()
        """The parts that were removed from a foreign tokenizer, in words."""
        if own:
            self.tokenizer, self.token_bytes, self.eot_id = tokenizer, own, 0
        else:
            foreign = make_exact(description)
            self.tokenizer, self.token_bytes, self.eot_id = foreign.tokenizer, foreign.token_bytes, foreign.eot_id
            self.left_out = foreign.left_out
        self.is_own = bool(own)
        self.merges: tuple[tuple[str, str], ...] = tuple((left, right) for left, right in model["merges"])
        self.size = len(self.token_bytes)
        self.num_bytes: NDArray[np.int64] = np.array([len(token) for token in self.token_bytes], dtype=np.int64)
        if own:
            self.name = CHAR if model["byte_fallback"] else BYTES if self.size == NUM_BYTE_IDS else f"bpe-{self.size}"
        else:
            self.name = GPT2 if is_gpt2(self.merges) else f"foreign-{self.size}"

    @property
    def file_name(self) -> str:
        """A name by content for a vocabulary from a file, unique even among those of the same size."""
        return FILE_PREFIX + hashlib.sha256(self._json.encode()).hexdigest()[:16]

    @property
    def dtype(self) -> TokenType:
        """The type of a stored token: two bytes if every id fits."""
        return token_dtype(self.size)

    def encode(self, text: str) -> list[int]:
        """Return the ids of `text` without an end of text.

        A NUL in the text becomes the end of text in our own vocabularies, and a byte in most foreign ones.
        """
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def encode_documents(self, texts: Sequence[str]) -> TokenArray:
        """Return the ids of all texts in one array of `dtype`, with eot_id after each."""
        end = np.array([self.eot_id], dtype=self.dtype)
        pieces = []
        for start in range(0, len(texts), BATCH_DOCUMENTS):
            for ids in self._encode_batch(texts[start : start + BATCH_DOCUMENTS]):
                pieces += [ids, end]
        return np.concatenate(pieces) if pieces else end[:0]

    def _encode_batch(self, texts: Sequence[str]) -> list[TokenArray]:
        if self.is_own and not self.merges and all(text.isascii() for text in texts):
            # Each character is its own id; the tokenizer gives the same result a hundred times slower.
            return [np.frombuffer(text.encode(), dtype=np.uint8).astype(self.dtype) for text in texts]
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=self.dtype) for encoding in encodings]

    def decode(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of the ids, which may begin or end inside a UTF-8 character."""
        return b"".join([self.token_bytes[i] for i in ids])

    def cut(self, size: int) -> Vocabulary:
        """Return the BPE vocabulary of the first `size` ids, which equals one trained to that size.

        Training chooses merges one after another and each makes a new token, so a smaller vocabulary is a prefix of a
        larger one. A larger `size` than this vocabulary's changes nothing.
        """
        assert self.is_own and self.name != CHAR and size >= NUM_BYTE_IDS, (self.name, size)
        return Vocabulary(_byte_level(self.merges[: size - NUM_BYTE_IDS]))

    def to_json(self) -> str:
        """Return the JSON that `tokenizers.Tokenizer.from_str` reads; that of a foreign tokenizer is unchanged."""
        return self._json

    def save(self, path: Path) -> None:
        """Write `to_json` to a file."""
        path.write_text(self._json, encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `save` wrote, or a foreign tokenizer.json.

        Raises CheckpointError if it is missing, damaged or cannot be made exact.
        """
        try:
            return cls(Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise CheckpointError(f"cannot read tokenizer {path}: {error.strerror or error}") from None
        except InexactTokenizer as error:
            raise CheckpointError(f"{path} cannot be used: {error}") from None
        except Exception as error:  # the library raises plain Exception for a file that it cannot parse
            reason = str(error).partition("\n")[0]
            raise CheckpointError(f"{path} is damaged or not a tokenizer.json: {reason}") from None


def token_dtype(size: int) -> TokenType:
    return np.dtype(np.uint16) if size <= np.iinfo(np.uint16).max else np.dtype(np.uint32)


def bpe_size(name: str) -> int | None:
    """Return the size in a name: 256 for `bytes`, N for `bpe-N`, None for `char` and `gpt2`.

    Raises UsageError for any other name.
    """
    if name in (CHAR, GPT2):
        return None
    if name == BYTES:
        return NUM_BYTE_IDS
    match = re.fullmatch(r"bpe-([1-9][0-9]{0,6})", name)
    size = int(match[1]) if match else 0
    if not NUM_BYTE_IDS < size <= MAX_SIZE:
        raise UsageError(
            f"unknown vocabulary '{name}' "
            f"(allowed: {BYTES}, {CHAR}, {GPT2}, and bpe-N with N from {NUM_BYTE_IDS + 1} to {MAX_SIZE})"
        )
    return size


def train_bpe(texts: Iterable[str], size: int) -> Vocabulary:
    """Train a byte-level BPE of `size` ids, or fewer if no other pair occurs MIN_PAIR_COUNT times."""
    tokenizer = _byte_level([])
    if size == NUM_BYTE_IDS:
        return Vocabulary(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=MIN_PAIR_COUNT,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Training numbers the bytes in the order of its alphabet; rebuild it so that each byte is its own id.
    return Vocabulary(_byte_level(json.loads(tokenizer.to_str())["model"]["merges"]))


def train_char(texts: Iterable[str]) -> Vocabulary:
    """Collect ASCII and all other characters that occur MIN_CHARACTER_COUNT times, sorted by code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        if not text.isascii():
            counts.update(text)
    frequent = sorted(c for c, count in counts.items() if not c.isascii() and count >= MIN_CHARACTER_COUNT)
    ids = {token: i for i, token in enumerate([*CHAR_SYMBOLS, *frequent])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return Vocabulary(tokenizer)


def _byte_level(merges: Iterable[Sequence[str]]) -> Tokenizer:
    pairs = [(left, right) for left, right in merges]
    ids = {token: i for i, token in enumerate([*BYTE_SYMBOLS, *(left + right for left, right in pairs)])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _token_bytes(description: dict[str, Any]) -> tuple[bytes, ...] | None:
    """Return the bytes of each id in order, or None for a foreign vocabulary."""
    model = description["model"]
    if model["type"] != "BPE" or any(description[step] for step in FOREIGN_STEPS) or model["ignore_merges"]:
        return None
    cuts, symbols = (None, CHAR_SYMBOLS) if model["byte_fallback"] else (_OUR_CUTS, BYTE_SYMBOLS)
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    is_dense = [model["vocab"][token] for token in tokens] == list(range(len(tokens)))
    if description["pre_tokenizer"] != cuts or not is_dense or tuple(tokens[:NUM_BYTE_IDS]) != symbols:
        return None
    byte_of = {symbol: byte for byte, symbol in enumerate(symbols)}
    if model["byte_fallback"]:
        return tuple(bytes([byte_of[token]]) if token in byte_of else token.encode() for token in tokens)
    return tuple(bytes([byte_of[symbol] for symbol in token]) for token in tokens)


_OUR_CUTS = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
