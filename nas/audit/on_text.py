"""The checks that need text, or say more with it: a model's own tokenizer on a corpus split as a search splits it."""

from __future__ import annotations

from collections.abc import Iterator

from nas.audit.copies import COPIES, check_copies
from nas.audit.finding import Finding, not_checked
from nas.audit.first_loss import check_first_loss
from nas.audit.opening import OpenedModel
from nas.audit.text import Text
from nas.audit.trained import PLAUSIBILITY, SHIFTS, check_plausibility, check_shifts
from nas.data.prepare import prepare_data
from nas.evaluate.compressors import compressor_bpb

TEXT_BYTES = 65_536
"""Of the validation split: enough for figures that are off by half."""


def check_on_text(opened: OpenedModel, corpus: str | None) -> Iterator[Finding]:
    """The first loss of an untrained model; shifts, plausibility and copies of a trained one.

    Text is the validation split of `corpus`. Only the first loss has a figure without it.
    """
    subject, data, text = opened.subject, None, None
    if corpus is not None and opened.encode is not None:
        data = prepare_data(corpus, ["bytes"])
        tokens = opened.encode(data.evaluation_documents("validation", TEXT_BYTES))
        text = Text(tokens, opened.eot_id, data.evaluation_bytes("validation", TEXT_BYTES))
    yield check_first_loss(subject, is_trained=opened.is_trained, text=text)
    if data is None or text is None or not opened.is_trained:
        yield from (not_checked(check, _missing(opened, corpus)) for check in (SHIFTS, PLAUSIBILITY, COPIES))
        return
    yield check_shifts(subject, text.tokens)
    num_params = sum(one.numel() for one in subject.module.parameters())
    yield check_plausibility(text.bits_per_byte(subject), num_params, compressor_bpb(text.content))
    yield check_copies(data.documents("train"), data.documents("validation"))


def _missing(opened: OpenedModel, corpus: str | None) -> str:
    """Why a model is not judged on text."""
    if corpus is None:
        return "no --corpus was given"
    return "the model has no tokenizer beside it" if opened.is_trained else "the model is not trained"
