"""The checks of a trained model that need text: its own tokenizer, and a corpus split as a search splits it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from nas.data import prepare_data
from nas.trial.audit.copies import COPIES, check_copies
from nas.trial.audit.finding import Finding, not_checked
from nas.trial.audit.opening import Opened
from nas.trial.audit.trained import PLAUSIBILITY, SHIFTS, check_plausibility, check_shifts
from nas.trial.bits_per_byte import window_nats
from nas.trial.compressors import compressor_bpb

TEXT_BYTES = 65_536
"""Of the validation split: enough for figures that are off by half."""
MOST_CONTEXT = 512


def check_on_text(opened: Opened, corpus: str | None) -> Iterator[Finding]:
    """Shifts, plausibility and copies on the validation split of `corpus`."""
    missing = (
        "no --corpus was given"
        if corpus is None
        else "the model is not trained"
        if not opened.is_trained
        else "the model has no tokenizer beside it"
        if opened.encode is None
        else None
    )
    if missing is not None or corpus is None or opened.encode is None:
        yield from (not_checked(check, str(missing)) for check in (SHIFTS, PLAUSIBILITY, COPIES))
        return
    data = prepare_data(corpus, ["bytes"])
    documents = data.evaluation_documents("validation", TEXT_BYTES)
    tokens = opened.encode(documents)
    yield check_shifts(opened.subject, tokens)
    subject = opened.subject
    length = min(MOST_CONTEXT, subject.max_length)
    with torch.no_grad():
        nats = window_nats(subject.logits, tokens, opened.eot_id, length, subject.vocab_size, subject.device).sum()
    text = data.evaluation_bytes("validation", TEXT_BYTES)
    num_params = sum(one.numel() for one in subject.module.parameters())
    yield check_plausibility(float(nats) / math.log(2) / len(text), num_params, compressor_bpb(text))
    yield check_copies(data.documents("train"), data.documents("validation"))
