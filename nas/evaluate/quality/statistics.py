"""Statistics of completions: an interval for one share, and tests of two models on the same prompts.

scipy.stats is imported where it is used, because its import takes longer than a command's start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FLIPS, _FLIPS_AT_ONCE, _FLIP_SEED = 10_000, 1_000, 0
# Sums of the same numbers in another order differ by rounding; means this close are the same mean.
_SAME_MEAN = 1e-9


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95% score interval of the share `count` of `total`.

    Unlike share +- z standard errors it stays inside [0, 1] and has a width at shares of 0 and 1.
    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    Raises ValueError when there are no observations or the count is impossible.
    """
    if total <= 0 or not 0 <= count <= total:
        raise ValueError(f"an interval needs 0 <= count <= total and total > 0, not {count} of {total}")
    from scipy.stats import binomtest

    interval = binomtest(count, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test of whether two models fail at equal rates.

    Both models answer the same prompts; `only_first` and `only_second` count the prompts on which just one of them
    fails. When the rates are equal, each of these prompts is as likely to be the first's: a binomial test with
    p = 1/2. Prompts on which both or neither fail carry no information; without any others the p-value is 1.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError(f"counts cannot be negative, not {only_first} and {only_second}")
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue)


def paired_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the mean of paired differences, by random flips of their signs.

    When two models are alike, a prompt's difference is as likely to have the other sign. The p-value is
    (k + 1) / (n + 1) for k of n flips whose mean is at least as far from zero, so it is never 0 and never
    under 1 / (n + 1). The flips come from a fixed seed: the same differences give the same p-value; committed
    figures rest on these draws, so scipy's permutation test, which draws others, does not replace them. The test
    assumes that prompts are independent of one another. Raises ValueError when there are no differences or one
    is not finite.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"a paired test needs finite differences, at least one; these are {values.size}")
    rng = np.random.default_rng(_FLIP_SEED)
    threshold = abs(float(values.sum())) - _SAME_MEAN * float(np.abs(values).sum())
    num_as_far = 0
    for _ in range(_FLIPS // _FLIPS_AT_ONCE):
        signs = rng.choice([-1.0, 1.0], size=(_FLIPS_AT_ONCE, values.size))
        num_as_far += int(np.count_nonzero(np.abs(signs @ values) >= threshold))
    return (num_as_far + 1) / (_FLIPS + 1)
