"""The choice of a tokenizer by a user: a size, a name, or a file."""

from __future__ import annotations

from pathlib import Path

from nas.errors import CheckpointError, UsageError
from nas.tokenizer.gpt2 import GPT2, read_gpt2_folder
from nas.tokenizer.vocabulary import BYTES, CHAR, NUM_BYTE_IDS, Vocabulary

MAX_TRAINED_SIZE = 1 << 16
NAMES = {"bytes": BYTES, "chars": CHAR, "char": CHAR, "gpt2": GPT2}
FILE = "tokenizer.json"


def choose_tokenizer(given: str) -> str | Vocabulary:
    """Return a name for `prepare_data`, or the vocabulary in a file or folder.

    Raises UsageError for a size out of range, a missing path, or a tokenizer that cannot be used.
    """
    if given in NAMES:
        return NAMES[given]
    if given.isascii() and given.isdigit():
        if not NUM_BYTE_IDS < int(given) <= MAX_TRAINED_SIZE:
            raise UsageError(
                f"cannot train a BPE of {given} tokens; give {NUM_BYTE_IDS + 1:,} to {MAX_TRAINED_SIZE:,}, "
                f"or bytes for {NUM_BYTE_IDS}"
            )
        return f"bpe-{int(given)}"
    path = Path(given).expanduser()
    if not path.exists():
        raise UsageError(
            f"'{given}' is neither a tokenizer nor a file "
            f"(allowed: a size from {NUM_BYTE_IDS + 1:,} to {MAX_TRAINED_SIZE:,}, "
            f"chars, bytes, gpt2, a {FILE}, or a folder with one or with encoder.json and vocab.bpe)"
        )
    return read_tokenizer(path)


def read_tokenizer(path: Path) -> Vocabulary:
    """Read the vocabulary of a file, or of a folder with a tokenizer.json or GPT-2's two files.

    Raises UsageError if it is damaged or cannot be made exact.
    """
    try:
        if path.is_dir() and not (path / FILE).exists():
            return Vocabulary(read_gpt2_folder(path))
        return Vocabulary.load(path / FILE if path.is_dir() else path)
    except CheckpointError as error:
        raise UsageError(str(error)) from None
    except ValueError as error:
        raise UsageError(f"{path} cannot be used: {error}") from None
