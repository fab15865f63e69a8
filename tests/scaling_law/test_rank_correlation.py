from __future__ import annotations

import numpy as np
import pytest

from nas.scaling_law.rank_correlation import ranks, spearman


def test_equal_values_share_their_mean_rank() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]


def test_spearman_by_hand() -> None:
    # No ties: 1 - 6 sum d^2 / (n (n^2 - 1)), d = 0, 1, -1, 0.
    assert spearman(np.array([1, 2, 3, 4]), np.array([10, 30, 20, 40])) == pytest.approx(1 - 6 * 2 / (4 * 15))
    # A tie: ranks 1, 2.5, 2.5 against 1, 2, 3.
    assert spearman(np.array([1, 2, 2]), np.array([1, 2, 3])) == pytest.approx(1.5 / (1.5 * 2) ** 0.5)
    assert spearman(np.array([1, 1, 1]), np.array([1, 2, 3])) == 0.0
