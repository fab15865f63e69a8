"""A check that an untrained model has the loss of a uniform guess.

V vocab.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from nas.audit.audited_model import AuditedModel, draw_ids
from nas.audit.finding import Finding, not_checked, not_finite
from nas.audit.text import Text

FIRST_LOSS = "first loss"
MAX_DEVIATION = 0.1
"""Largest deviation of a first loss from that of a guess, as a share of the latter, without a warning."""


def check_first_loss(model: AuditedModel, *, is_trained: bool, text: Text | None = None) -> Finding:
    """Check that a token costs about log2(V) bits before training: log2(V) / bytes-per-token bits per byte.

    Without text, random tokens are measured and the figure is in bits per token. A larger deviation is not a leak, but
    a start that costs training steps, or a sign of weights that are not fresh.
    """
    if is_trained:
        return not_checked(FIRST_LOSS, "the model is already trained")
    guess = math.log2(model.vocab_size)
    if text is None:
        bits, expected = _bits_per_token(model), guess
        method = "measured the loss of random tokens before any training"
        figure = f"{bits:.2f} bits per token, a guess costs {expected:.2f}"
    else:
        bits, expected = text.bits_per_byte(model), guess / text.bytes_per_token
        method = f"measured the loss of {len(text.tokens):,} tokens of validation text before any training"
        figure = (
            f"{bits:.2f} bits per byte, a guess costs {expected:.2f} "
            f"(log2 of {model.vocab_size:,} over {text.bytes_per_token:.2f} bytes per token)"
        )
    if not math.isfinite(bits):
        return not_finite(FIRST_LOSS)
    if abs(bits / expected - 1) > MAX_DEVIATION:
        advice = (
            "initial logits are too large, or the weights are trained; look at how the output matrix is initialised"
        )
        return Finding(FIRST_LOSS, "warning", method, figure, advice)
    return Finding(FIRST_LOSS, "passed", method, figure)


def _bits_per_token(model: AuditedModel) -> float:
    ids = draw_ids(model, 4, min(32, model.max_length), seed=6)
    with torch.no_grad():
        logits = model.logits(ids)[:, :-1].double().cpu()
    return float(F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())) / math.log(2)
