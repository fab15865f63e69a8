"""How sure a measured share or difference is: an interval for one share, tests for two models on the same prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_Z_95 = 1.959964
_FLIPS, _FLIPS_AT_ONCE, _FLIP_SEED = 10_000, 1_000, 0
# Sums of the same numbers in another order differ by rounding; means this close are the same mean.
_SAME_MEAN = 1e-9


def wilson_interval(count: int, total: int, z: float = _Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share, `count` of `total`; `z` is the normal quantile, by default for 95%.

    Unlike share +- z standard errors it stays inside [0, 1] and has a width at shares of 0 and 1.
    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    ValueError for no observations or an impossible count.
    """
    if total <= 0 or not 0 <= count <= total:
        raise ValueError(f"an interval needs 0 <= count <= total and total > 0, not {count} of {total}")
    share = count / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test: do two models fail at different rates on the same prompts?

    Of the prompts on which just one of them fails, `only_first` and `only_second`, each is as likely to be
    the first's when the rates are equal: twice the smaller tail of the binomial with p = 1/2, at most 1.
    Prompts on which both or neither fail say nothing, and without any other the p is 1.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts cannot be negative, not {only_first} and {only_second}")
    discordant = only_first + only_second
    tail = sum(math.comb(discordant, count) for count in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << discordant))


def paired_p(differences: Sequence[float]) -> float:
    """Two-sided p of the mean of paired differences, by flipping their signs at random.

    When two models are alike, a prompt's difference is as likely to have the other sign. The p is
    (k + 1) / (n + 1) for k of n flips whose mean is at least as far from zero, so it is never 0 and never
    under 1 / (n + 1). The flips come from a fixed seed: the same differences give the same p. It assumes
    prompts that are independent of one another. ValueError for no differences or one that is no finite number.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"a paired test needs finite differences, at least one; these are {values.size}")
    rng = np.random.default_rng(_FLIP_SEED)
    least = abs(float(values.sum())) - _SAME_MEAN * float(np.abs(values).sum())
    as_far = 0
    for _ in range(_FLIPS // _FLIPS_AT_ONCE):
        signs = rng.choice([-1.0, 1.0], size=(_FLIPS_AT_ONCE, values.size))
        as_far += int(np.count_nonzero(np.abs(signs @ values) >= least))
    return (as_far + 1) / (_FLIPS + 1)
