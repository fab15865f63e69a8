"""The checks that use text: a corpus, split as in a search, under the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from nas.audit.finding import Finding, not_checked
from nas.audit.first_loss import check_first_loss
from nas.audit.opened_model import OpenedModel
from nas.audit.plausibility import PLAUSIBILITY, SHIFTS, check_plausibility, check_shifts
from nas.audit.text import Text
from nas.corpus.copied_runs import COPY_SHARE, RUN_WORDS, copied_shares
from nas.data.prepare import prepare_data
from nas.evaluate.compressors import compressor_bpb

COPIES = "copied text"
TEXT_BYTES = 65_536
"""Bytes of the validation split that are measured: enough to see figures that are wrong by half."""


def check_with_text(opened: OpenedModel, corpus: str | None) -> Iterator[Finding]:
    """Check the first loss of an untrained model, or the shifts, plausibility and copies of a trained one.

    The text is the validation split of `corpus`. Only the first loss can be measured without it.
    """
    model, data, text = opened.model, None, None
    if corpus is not None and opened.encode is not None:
        data = prepare_data(corpus, ["bytes"])
        tokens = opened.encode(data.evaluation_documents("validation", TEXT_BYTES))
        text = Text(tokens, opened.eot_id, data.evaluation_bytes("validation", TEXT_BYTES))
    yield check_first_loss(model, is_trained=opened.is_trained, text=text)
    if data is None or text is None or not opened.is_trained:
        yield from (not_checked(check, _missing(opened, corpus)) for check in (SHIFTS, PLAUSIBILITY, COPIES))
        return
    yield check_shifts(model, text.tokens)
    num_params = sum(parameter.numel() for parameter in model.module.parameters())
    yield check_plausibility(text.bits_per_byte(model), num_params, compressor_bpb(text.content))
    yield check_copies(data.documents("train"), data.documents("validation"))


def check_copies(train: Iterable[str], validation: Sequence[str]) -> Finding:
    """Check for validation documents that are copied from training text, by shared runs of words.

    A copy in which all names and the layout were changed is not found.
    """
    shares = copied_shares([text.encode() for text in validation], (text.encode() for text in train))
    copied = [index for index, share in enumerate(shares) if share >= COPY_SHARE]
    share = sum(len(validation[index]) for index in copied) / max(1, sum(map(len, validation)))
    method = f"looked up every run of {RUN_WORDS} words of {len(validation)} validation documents in the training text"
    figure = f"{len(copied)} near-duplicates, {share:.1%} of the text; the most similar one shares {max(shares):.0%}"
    if copied:
        advice = f"validation document {copied[0]} is in the training text: remove copies before the split"
        return Finding(COPIES, "leak", method, figure, advice)
    return Finding(COPIES, "passed", method, figure)


def _missing(opened: OpenedModel, corpus: str | None) -> str:
    """Return why a model is not checked on text."""
    if corpus is None:
        return "no --corpus was given"
    return "the model has no tokenizer" if opened.is_trained else "the model is not trained"
