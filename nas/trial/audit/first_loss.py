"""Whether a model that has learnt nothing knows nothing: its first loss is that of a guess."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from nas.trial.audit.finding import Finding, not_checked
from nas.trial.audit.subject import Subject, draw_ids

FIRST_LOSS = "first loss"
MOST_OFF = 0.1
"""Of log2 V: how far a first loss may be from it before it is remarked upon."""


def check_first_loss(subject: Subject, *, is_trained: bool) -> Finding:
    """Before training a token costs log2(V) bits, so text costs log2(V) / bytes-per-token bits a byte.

    Farther off is no leak, but a start from which learning loses steps, or weights that are not fresh.
    """
    if is_trained:
        return not_checked(FIRST_LOSS, "the model is trained: its first loss is past")
    ids = draw_ids(subject, 4, min(32, subject.max_length), seed=6)
    with torch.no_grad():
        logits = subject.logits(ids)[:, :-1].double().cpu()
    bits = float(F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())) / math.log(2)
    expected = math.log2(subject.vocab_size)
    did = f"measured the loss of {ids.numel()} random tokens before any training"
    figure = f"{bits:.2f} bits a token, a guess costs {expected:.2f}"
    if abs(bits / expected - 1) > MOST_OFF:
        advice = "initial logits are too large, or the weights are not fresh; look at how the output matrix is drawn"
        return Finding(FIRST_LOSS, "warning", did, figure, advice)
    return Finding(FIRST_LOSS, "passed", did, figure)
