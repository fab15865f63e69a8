"""The names of the splits of a corpus, and of the files that hold them."""

from __future__ import annotations

EVALUATION_SPLITS = ("validation", "holdout")
SPLITS = ("train", *EVALUATION_SPLITS)


def text_file(split: str) -> str:
    """Return the path of a split's documents, relative to the data folder."""
    assert split in SPLITS, split
    return f"text/{split}.bin"


def novel_file(split: str) -> str:
    """Return the path of the novelty mask of an evaluation split, relative to the data folder."""
    assert split in EVALUATION_SPLITS, split
    return f"novel/{split}.bin"
