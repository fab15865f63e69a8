from __future__ import annotations

import math

import pytest

from nas.report.study.intervals import fitness_noise, seed_noise, share_interval
from tests.helpers.report_studies import verdict


def test_noise_over_seeds_is_pooled_over_finalists() -> None:
    """Means are 2.0 and 3.0; squares are 2 x 0.1^2 and 2 x 0.2^2 over two degrees of freedom."""
    results = verdict((0, 1.9, 0, 0), (1, 2.8, 0, 0)) + verdict((0, 2.1, 0, 0), (1, 3.2, 0, 0), seed=8)
    noise = seed_noise(results, lambda metrics: metrics.bpb)
    assert noise is not None
    assert (noise.freedom, noise.sd) == (2, pytest.approx(math.sqrt(0.1 / 2)))
    assert noise.half_width(2) == pytest.approx(4.302653 * noise.sd / math.sqrt(2), rel=1e-6), "t of two degrees"


def test_noise_of_fitness_includes_collapse() -> None:
    results = verdict((0, 2.0, 0.0, 0.1)) + verdict((0, 2.0, 0.0, 0.3), seed=8)
    noise = fitness_noise(results, 0.5)
    assert noise is not None
    assert noise.sd == pytest.approx(0.5 * 0.2 / math.sqrt(2))


def test_one_seed_has_no_noise_estimate() -> None:
    assert seed_noise(verdict((0, 2.0, 0, 0), (1, 2.1, 0, 0)), lambda metrics: metrics.bpb) is None


def test_wilson_interval_of_ten_in_a_hundred() -> None:
    """Compare with Newcombe 1998: the interval of 10 of 100 is 0.0552 to 0.1744."""
    low, high = share_interval(0.1, 100)
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
    assert share_interval(0.0, 8)[0] == 0.0
