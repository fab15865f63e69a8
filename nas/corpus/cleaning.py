"""Cleaning: raw bytes become a text to train on, or a reason why not."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from nas.corpus.raw_files import MAX_CODE_BYTES, RawFile

EXCLUSION_REASONS = {
    "unreadable": "unreadable",
    "too_large": f"too large (over {MAX_CODE_BYTES >> 20} MiB)",
    "tests": "tests",
    "surrogates": "with lone surrogates",
    "undecodable": "neither UTF-8 nor latin-1",
    "with_nul": "with NUL characters",
    "empty": "empty",
    "generated": "generated",
    "long_lines": "with long lines",
    "not_text": "with few letters and digits",
    "duplicates": "exact duplicates",
    "near_duplicates": "near-duplicates",
    "over_share": "over their package's share",
    "held_out": "of held-out packages, not needed for evaluation",
    "similar_to_evaluation": "like a document of validation or holdout",
}
"""Why a document was left out, in words: the keys of a corpus's counts, in the order of the steps."""

_TEST_FOLDERS = frozenset({"test", "tests", "testing", "idle_test"})
_TEST_FILE = re.compile(r"(test_.*|.*_test|tests|conftest)\.py")
# CodeParrot's filters (Tunstall et al. 2022, codeparrot/scripts/preprocessing.py): words in the first lines of a
# generated file, the longest and the mean line, the share of letters and digits.
_GENERATED = re.compile(r"auto-?generated|automatically generated|do not edit", re.IGNORECASE)
_GENERATED_LINES = 5
_DECLARED_LATIN1 = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*(latin-?1|iso-?8859-?1(5)?)\b", re.IGNORECASE)
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Excluded(Exception):
    """`args[0]` is the reason, a key of EXCLUSION_REASONS."""


class Cleaning(BaseModel):
    """The [cleaning] section of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tests: bool = True
    """Keep test files."""
    generated: bool = False
    """Keep files whose first lines say that a program wrote them."""
    max_line: int = Field(default=1000, ge=1)
    """Characters of the longest line."""
    max_mean_line: float = Field(default=100, gt=0)
    min_alphanumeric: float = Field(default=0.25, ge=0, le=1)
    """Share of letters and digits."""
    near_duplicates: float = Field(default=0.7, gt=0, le=1)
    """Of documents that are as similar as this (Jaccard over 5-grams of words, estimated) one is kept."""
    max_package_share: float = Field(default=1, gt=0, le=1)
    """Share of the bytes that one package may have."""


def clean(raw: RawFile, rules: Cleaning) -> str:
    """The text, with newlines for Windows line ends and without a byte order mark; Excluded with the reason."""
    if raw.content is None:
        raise Excluded(raw.problem)
    if not rules.tests and _is_test(raw.name):
        raise Excluded("tests")
    text = decode(raw.content).replace("\r\n", "\n")
    if "\0" in text:
        raise Excluded("with_nul")
    if not text.strip():
        raise Excluded("empty")
    lines = text.splitlines()
    if not rules.generated and not raw.is_block and _GENERATED.search("\n".join(lines[:_GENERATED_LINES])):
        raise Excluded("generated")
    if max(map(len, lines)) > rules.max_line or len(text) / len(lines) > rules.max_mean_line:
        raise Excluded("long_lines")
    if sum(map(str.isalnum, text)) < rules.min_alphanumeric * len(text):
        raise Excluded("not_text")
    return text


def decode(data: bytes) -> str:
    """UTF-8, else latin-1 where that is declared or plausible: no control character, which binary data is full of."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if _has_surrogates(data):
        raise Excluded("surrogates")
    declared = any(_DECLARED_LATIN1.match(line) for line in data.split(b"\n", 2)[:2])
    if not declared and _CONTROLS.search(data):
        raise Excluded("undecodable")
    return data.decode("latin-1")


def _has_surrogates(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _is_test(name: str) -> bool:
    path = PurePosixPath(name)
    return not _TEST_FOLDERS.isdisjoint(path.parts[:-1]) or _TEST_FILE.fullmatch(path.name) is not None
