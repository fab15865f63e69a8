"""Human code: windows of the packages that are installed with this one, whose exact versions are in constraints.txt.

One set of packages is for thresholds and models of text, another only for their evaluation.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from nas.corpus.documents import read_corpus
from nas.corpus.sources import STDLIB
from nas.errors import CorpusError

CALIBRATION = (STDLIB, "torch", "sqlalchemy", "networkx", "mypy", "narwhals")
EVALUATION = (
    "transformers", "sympy", "numpy", "optuna", "pydantic", "pygments", "rich", "huggingface_hub", "setuptools",
    "plotly",
)  # fmt: skip

_MAX_LINE, _MEAN_LINE = 1000, 100
_MAX_DIGITS = 0.15
_HEAD = 500
_BEFORE = 200


@dataclass(frozen=True)
class Window:
    """A piece of a document, and the code just before it, which is used as the prompt."""

    text: str
    before: str


@cache
def documents(package: str) -> tuple[str, ...]:
    """Return the files of a package that people wrote; CorpusError when it is not installed.

    Left out, like in the cleaning of code corpora: tests, files that say they are generated, files with a line over
    1,000 characters or a mean over 100, and tables of numbers (over 15% digits).
    """
    source = STDLIB
    if package != STDLIB:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise CorpusError(f"package '{package}' is not installed here; run `make setup`")
        source = str(Path(spec.submodule_search_locations[0]))
    return tuple(
        document.text
        for document in read_corpus(source).documents
        if not _is_test(document.name) and _is_handwritten(document.text)
    )


def windows(packages: Sequence[str], num_bytes: int, per_package: int, seed: int = 0) -> list[Window]:
    """Return `per_package` windows of each package that do not overlap; CorpusError when a package has too few."""
    chosen: list[Window] = []
    for package in packages:
        places = [
            (index, start)
            for index, text in enumerate(documents(package))
            for start in range(0, len(text.encode()) - num_bytes + 1, num_bytes)
        ]
        if len(places) < per_package:
            raise CorpusError(f"'{package}' has {len(places)} windows of {num_bytes} bytes, {per_package} are needed")
        chosen += [
            _window(documents(package)[index], start, num_bytes)
            for index, start in random.Random(seed).sample(places, per_package)
        ]
    return chosen


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return package -> version."""
    import platform

    installed = {}
    for package in packages:
        try:
            installed[package] = platform.python_version() if package == STDLIB else version(package)
        except PackageNotFoundError:
            installed[package] = "unknown"
    return installed


def _window(text: str, start: int, num_bytes: int) -> Window:
    data = text.encode()
    before = data[max(0, start - _BEFORE) : start]
    return Window(data[start : start + num_bytes].decode(errors="ignore"), before.decode(errors="ignore"))


def _is_test(name: str) -> bool:
    return bool(re.search(r"(^|/)(tests?|testing)/|(^|/)(test_[^/]*|conftest)\.py$", name))


def _is_handwritten(text: str) -> bool:
    lines = text.split("\n")
    lengths = [len(line) for line in lines]
    return not (
        "generated" in text[:_HEAD].lower()
        or max(lengths) > _MAX_LINE
        or sum(lengths) / len(lines) > _MEAN_LINE
        or sum(map(str.isdigit, text)) > _MAX_DIGITS * len(text)
    )
