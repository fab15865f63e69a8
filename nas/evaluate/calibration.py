"""Figures that are calibrated at a few text lengths and interpolated between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LENGTHS = (64, 128, 200, 400, 800)
"""Text lengths, in characters, at which thresholds are calibrated."""


def value_at_length(values: Sequence[float], length: int) -> float:
    """Return the figure for a text of `length` characters, given one value for each of LENGTHS.

    Between two calibrated lengths it is linear in the logarithm of the length; shorter and longer texts get the value
    of the nearest calibrated length.
    """
    log_length = math.log2(min(max(length, LENGTHS[0]), LENGTHS[-1]))
    return float(np.interp(log_length, [math.log2(calibrated) for calibrated in LENGTHS], values))
