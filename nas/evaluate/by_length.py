"""Figures that depend on how long a text is: calibrated at a few lengths, and read between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LENGTHS = (64, 128, 200, 400, 800)
"""Characters for which thresholds are calibrated."""


def at_length(values: Sequence[float], length: int) -> float:
    """The figure for a text of `length` characters, of `values` for each of LENGTHS.

    Between them it goes with the logarithm of the length; beyond them the outer ones hold.
    """
    place = math.log2(min(max(length, LENGTHS[0]), LENGTHS[-1]))
    return float(np.interp(place, [math.log2(one) for one in LENGTHS], values))
