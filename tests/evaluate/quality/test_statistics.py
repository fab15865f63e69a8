from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import pytest

from nas.evaluate.quality.statistics import mcnemar_p, paired_p, wilson_interval

Z_95 = NormalDist().inv_cdf(0.975)

# Darwin's differences in height of 15 pairs of maize plants, eighths of an inch. R. A. Fisher, The Design of
# Experiments, 1935, section 21: in 1,726 of the 32,768 ways to give them signs the sum is at least as far from zero.
MAIZE = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)


@pytest.mark.parametrize(
    ("count", "total", "lower", "upper"),
    [
        # R. G. Newcombe, Two-sided confidence intervals for the single proportion, 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_s_interval_is_the_published_one(count: int, total: int, lower: float, upper: float) -> None:
    assert wilson_interval(count, total) == pytest.approx((lower, upper), abs=5e-5)


def test_wilson_s_interval_solves_its_equation() -> None:
    # Its ends are the shares p that lie z standard errors of their own from the count's share.
    for end in wilson_interval(7, 52):
        assert abs(7 / 52 - end) == pytest.approx(Z_95 * math.sqrt(end * (1 - end) / 52), rel=1e-12)


def test_wilson_s_interval_touches_0_and_1_and_mirrors() -> None:
    assert wilson_interval(0, 10) == pytest.approx((0, Z_95**2 / (10 + Z_95**2)), rel=1e-12)
    assert wilson_interval(0, 7)[0] == 0 and wilson_interval(7, 7)[1] == 1
    ends = [end for total in range(1, 60) for count in (0, total) for end in wilson_interval(count, total)]
    assert all(0 <= end <= 1 for end in ends)
    lower, upper = wilson_interval(3, 10)
    assert wilson_interval(7, 10) == pytest.approx((1 - upper, 1 - lower))


@pytest.mark.parametrize(("count", "total"), [(0, 0), (1, 0), (-1, 5), (6, 5), (0, -1)])
def test_no_observations_and_impossible_counts_have_no_interval(count: int, total: int) -> None:
    with pytest.raises(ValueError, match=f"{count} of {total}"):
        wilson_interval(count, total)


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [
        (0, 0, 1.0),
        (0, 1, 1.0),
        (2, 2, 1.0),  # 2 * 11 / 16 is above 1
        (0, 5, 2 / 32),
        (1, 9, 2 * (1 + 10) / 1024),
        (2, 12, 2 * (1 + 14 + 91) / 16384),
        (4, 6, 2 * (1 + 10 + 45 + 120 + 210) / 1024),
    ],
)
def test_mcnemar_s_p_by_hand(only_first: int, only_second: int, expected: float) -> None:
    assert mcnemar_p(only_first, only_second) == pytest.approx(expected, rel=1e-12)
    assert mcnemar_p(only_second, only_first) == pytest.approx(expected, rel=1e-12)


def test_mcnemar_s_p_is_exact_far_out() -> None:
    assert mcnemar_p(0, 1000) == pytest.approx(2.0**-999, rel=1e-12, abs=0)
    # The normal approximation with continuity correction, two-sided: z = (|600 - 500| - 1) / sqrt(1100)
    z = 99 / math.sqrt(1100)
    assert mcnemar_p(500, 600) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.01)


def test_mcnemar_s_test_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="-1 and 3"):
        mcnemar_p(-1, 3)


def test_the_paired_p_is_fisher_s() -> None:
    sums = [abs(sum(values)) for values in itertools.product(*[(difference, -difference) for difference in MAIZE])]
    exact = sum(total >= abs(sum(MAIZE)) for total in sums) / len(sums)
    assert exact == 1726 / 32768
    # Four standard errors of 10,000 draws.
    assert paired_p(MAIZE) == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000))


def test_the_paired_p_does_not_move_with_the_call_the_sign_or_the_unit() -> None:
    expected = paired_p(MAIZE)
    assert paired_p(list(MAIZE)) == expected
    assert paired_p([-difference for difference in MAIZE]) == expected
    assert paired_p([difference / 8 * 0.0254 for difference in MAIZE]) == expected


def test_the_paired_p_lies_between_1_in_10001_and_1() -> None:
    assert paired_p([1.0] * 64) == 1 / 10_001
    assert paired_p([0.0] * 5) == 1
    assert paired_p([0.3]) == 1
    assert paired_p([0.1, -0.1, 0.1, -0.1]) == 1
    # Of the eight ways to give signs two are as far from zero: rounding must not lose one.
    assert paired_p([0.1, 0.2, 0.3]) == pytest.approx(2 / 8, abs=0.018)


@pytest.mark.parametrize("differences", [[], [math.nan], [1.0, math.inf]])
def test_the_paired_test_refuses_differences_without_a_mean(differences: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired_p(differences)
