"""Whether text that a model is judged on stands in what it was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nas.audit.finding import Finding
from nas.corpus.copied_runs import COPY_SHARE, RUN_WORDS, copied_shares

COPIES = "copied text"


def check_copies(train: Iterable[str], validation: Sequence[str]) -> Finding:
    """Documents of validation that are copied from training text, by shared runs of words.

    Names and layout that were changed throughout hide a copy from this check.
    """
    shares = copied_shares([text.encode() for text in validation], (text.encode() for text in train))
    copied = [index for index, share in enumerate(shares) if share >= COPY_SHARE]
    share = sum(len(validation[index]) for index in copied) / max(1, sum(map(len, validation)))
    did = f"looked up every run of {RUN_WORDS} words of {len(validation)} validation documents in the training text"
    figure = f"{len(copied)} near-duplicates, {share:.1%} of the text; the most alike shares {max(shares):.0%}"
    if copied:
        advice = f"validation document {copied[0]} stands in the training text: remove copies before the split"
        return Finding(COPIES, "leak", did, figure, advice)
    return Finding(COPIES, "passed", did, figure)
