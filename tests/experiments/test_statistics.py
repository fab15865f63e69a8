from __future__ import annotations

import numpy as np
import pytest

from experiments.signal.variance import paired_error, signal_of


def test_the_variance_components_by_hand() -> None:
    # Rows 1, 3 and 5, 9: means 2 and 7; variances within 2 and 8, pooled 5. Variance of the means 12.5, of
    # which 5 / 2 is chance: 10 is left for the architectures.
    signal = signal_of(np.array([[1.0, 3.0], [5.0, 9.0]]))
    assert signal.mean == pytest.approx(4.5)
    assert signal.seed == pytest.approx(5**0.5)
    assert signal.between == pytest.approx(10**0.5)
    assert signal.share == pytest.approx(10 / 15)
    assert signal.rank_correlation == pytest.approx(1.0)
    assert signal.gap == pytest.approx((4.5 - 2) / 5**0.5)


def test_chance_alone_leaves_nothing_between_architectures() -> None:
    signal = signal_of(np.array([[1.0, 2.0], [2.0, 1.0], [1.5, 1.5]]))
    assert signal.between == 0.0
    assert signal.share == 0.0
    assert signal.rank_correlation == pytest.approx(-1.0)


def test_the_rank_correlation_is_the_mean_over_all_pairs_of_seeds() -> None:
    scores = np.array([[1.0, 1.0, 3.0], [2.0, 2.0, 2.0], [3.0, 3.0, 1.0]])
    assert signal_of(scores).rank_correlation == pytest.approx((1 - 1 - 1) / 3)


def test_an_error_shared_by_all_architectures_does_not_change_a_ranking() -> None:
    assert paired_error(np.array([[0.5, -0.1], [0.5, -0.1], [0.5, -0.1]])) == pytest.approx(0.0)
    # Two architectures 0.2 apart on the only part: +-0.1 around their mean, variance 0.02 with n - 1.
    assert paired_error(np.array([[0.4], [0.2]])) == pytest.approx(0.02**0.5)
