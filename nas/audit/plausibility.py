"""Checks of a trained model's loss on real text: targets with a wrong shift, and figures too good to be true.

T time, V vocab.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nas.audit.audited_model import AuditedModel
from nas.audit.finding import Finding, not_checked, not_finite

SHIFTS, PLAUSIBILITY = "target shifts", "plausibility"
SHIFT_WINDOWS = 32
"""Windows of text on which the loss at each shift is measured."""
SHIFT_LENGTH = 128
COPY_MARGIN = 0.2
"""How much less the token just read must cost than the next one before the model counts as copying it, as a share of
the cost of a token by its frequency. A model that copies exceeds it as soon as it has learned more than frequencies:
the token just read costs less than by frequency and the next token more, a margin between 0.23 at that point and over
1. Tied embeddings favour the token just read by 0.11 to 0.16 when untrained, and by less at each step of a correct
training: by at most 0.08 once it has learned more than frequencies (tiny models, vocabularies of 256 to 2,048)."""

MIN_BPB = {1e5: 1.1, 1e6: 0.8, 1e7: 0.5, 1e8: 0.4, 1e9: 0.32, 1e10: 0.25}
"""Parameters -> bits per byte of Python that no correct model of that size was seen to reach on fresh text: a good
one of 1M needs 1.1 to 1.4, one of 10M 0.8 to 1.0, 7B about 0.35. Between sizes the bound is interpolated."""
COMPRESSOR_SHARE = 0.6
"""A model is suspect only if it needs less than this share of the bits of the best compressor on the same bytes:
repetitive text is cheap for both."""


def check_shifts(model: AuditedModel, tokens: NDArray[np.integer]) -> Finding:
    """Check that the loss is lowest on the next token: not on the one just read, nor on the one after the next.

    `tokens` is validation text, (num_tokens,). The check applies to trained models only: before, the initial weights
    decide, and with tied embeddings they favour the token just read. So there is no result while a model knows no more
    than frequencies, and a model counts as copying only by COPY_MARGIN. Tied weights that start far larger than ours
    copy without training: the check cannot distinguish them from a training on targets that were not shifted.
    """
    length = min(SHIFT_LENGTH, model.max_length)
    windows = min(SHIFT_WINDOWS, len(tokens) // length)
    starts = np.linspace(0, len(tokens) - length, windows).astype(int)
    ids = torch.from_numpy(np.stack([tokens[start : start + length] for start in starts]).astype(np.int64))
    nats = _nats_at_shifts(model, ids)
    if not all(math.isfinite(value) for value in nats):
        return not_finite(SHIFTS)
    by_frequency = _frequency_nats(ids)
    if min(nats) >= by_frequency:
        return not_checked(SHIFTS, "the model has hardly learned: it knows no more than the frequency of each token")
    method = f"measured the loss of {len(ids)} windows of {length} tokens against targets 0, 1 and 2 places ahead"
    figure = ", ".join(f"shift {shift}: {value:.3f} nats" for shift, value in enumerate(nats))
    best = min(range(3), key=lambda shift: nats[shift])
    if best == 0 and nats[1] - nats[0] < COPY_MARGIN * by_frequency:
        why = "the model has hardly learned: it favours the token just read no more than untrained tied embeddings do"
        return not_checked(SHIFTS, f"{why} ({figure}); train it for longer")
    if best == 0:
        advice = "it predicts the token it has just read: training targets were not shifted by one; look at the loss"
        return Finding(SHIFTS, "leak", method, figure, advice)
    if best == 2:
        advice = "it predicts the token after the next one: inputs or targets were shifted twice; look at the loss"
        return Finding(SHIFTS, "leak", method, figure, advice)
    return Finding(SHIFTS, "passed", method, figure)


def _nats_at_shifts(model: AuditedModel, ids: Tensor) -> list[float]:
    """Return the mean loss of `ids` (windows, T) against targets 0, 1 and 2 places ahead, at the same T - 2 places."""
    count = ids.shape[1] - 2
    sums = torch.zeros(3, dtype=torch.float64)
    for rows in torch.split(ids, model.rows_at_once(ids.shape[1])):
        with torch.no_grad():
            logits = model.logits(rows).float().cpu()[:, :count].flatten(0, 1)
        for shift in range(3):
            sums[shift] += F.cross_entropy(logits, rows[:, shift : count + shift].flatten(), reduction="sum")
    means: list[float] = (sums / (len(ids) * count)).tolist()
    return means


def _frequency_nats(ids: Tensor) -> float:
    """Return the entropy of the token frequencies in `ids` in nats, the least loss without any context."""
    shares = torch.unique(ids, return_counts=True)[1].double() / ids.numel()
    return -float((shares * shares.log()).sum())


def check_plausibility(bpb: float, num_params: int, compressors: Mapping[str, float]) -> Finding:
    """Check that bits per byte are not far below what models of the size and compressors reach.

    Such a model reads its targets. `compressors` maps name to bits per byte on the same text.
    """
    if not math.isfinite(bpb):
        return not_finite(PLAUSIBILITY)
    lowest = lowest_plausible_bpb(num_params)
    name = min(compressors, key=lambda compressor: compressors[compressor])
    method = f"compared {bpb:.3f} bits per byte with the size ({num_params:,} parameters) and {name} on the same bytes"
    figure = f"plausible from {lowest:.2f}; {name} {compressors[name]:.3f}"
    if bpb < lowest and bpb < COMPRESSOR_SHARE * compressors[name]:
        advice = (
            "too good for its size: it reads its targets (see the checks of causality), or the text was in its "
            "training data"
        )
        return Finding(PLAUSIBILITY, "leak", method, figure, advice)
    if bpb > max(compressors.values()):
        return Finding(
            PLAUSIBILITY, "warning", method, figure, "every compressor here does better: it has hardly learned"
        )
    return Finding(PLAUSIBILITY, "passed", method, figure)


def lowest_plausible_bpb(num_params: int) -> float:
    """Return MIN_BPB at any size: linear in the logarithm of the parameters, constant beyond the outer sizes."""
    sizes = [math.log(size) for size in MIN_BPB]
    return float(np.interp(math.log(max(num_params, 1)), sizes, list(MIN_BPB.values())))
