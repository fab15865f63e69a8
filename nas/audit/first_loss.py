"""Whether a model that has learnt nothing knows nothing: its first loss is that of a guess.

V vocab.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from nas.audit.finding import Finding, not_checked, not_finite
from nas.audit.subject import AuditedModel, draw_ids
from nas.audit.text import Text

FIRST_LOSS = "first loss"
MAX_OFF = 0.1
"""As a share of what a guess costs: how far a first loss may be from it before it is remarked upon."""


def check_first_loss(subject: AuditedModel, *, is_trained: bool, text: Text | None = None) -> Finding:
    """Before training a token costs log2(V) bits, so text costs log2(V) / bytes-per-token bits a byte.

    Without text, random tokens are measured and the figure is bits a token. Farther off is no leak, but a start from
    which learning loses steps, or weights that are not fresh.
    """
    if is_trained:
        return not_checked(FIRST_LOSS, "the model is trained: its first loss is past")
    guess = math.log2(subject.vocab_size)
    if text is None:
        bits, expected = _bits_per_token(subject), guess
        did = "measured the loss of random tokens before any training"
        figure = f"{bits:.2f} bits a token, a guess costs {expected:.2f}"
    else:
        bits, expected = text.bits_per_byte(subject), guess / text.bytes_per_token
        did = f"measured the loss of {len(text.tokens):,} tokens of validation text before any training"
        figure = (
            f"{bits:.2f} bits a byte, a guess costs {expected:.2f} "
            f"(log2 of {subject.vocab_size:,} over {text.bytes_per_token:.2f} bytes a token)"
        )
    if not math.isfinite(bits):
        return not_finite(FIRST_LOSS)
    if abs(bits / expected - 1) > MAX_OFF:
        advice = "initial logits are too large, or the weights are not fresh; look at how the output matrix is drawn"
        return Finding(FIRST_LOSS, "warning", did, figure, advice)
    return Finding(FIRST_LOSS, "passed", did, figure)


def _bits_per_token(subject: AuditedModel) -> float:
    ids = draw_ids(subject, 4, min(32, subject.max_length), seed=6)
    with torch.no_grad():
        logits = subject.logits(ids)[:, :-1].double().cpu()
    return float(F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())) / math.log(2)
