from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nas.model.positions import AlibiPositions, RotaryPositions, alibi_slopes, rotate, sinusoids


def test_rotated_scores_depend_on_distance_only() -> None:
    rotary = RotaryPositions(64, 1, 8).double()
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn((2, 1, 1, 1, 8), generator=generator, dtype=torch.float64)

    def score(query_at: int, key_at: int) -> float:
        return (rotate(query, rotary(query_at, 1)) * rotate(key, rotary(key_at, 1))).sum().item()

    assert score(9, 4) == pytest.approx(score(60, 55), abs=1e-5)
    assert score(9, 4) == pytest.approx(score(5, 0), abs=1e-5)
    assert score(9, 4) != pytest.approx(score(9, 5), abs=1e-3)


def test_rotation_rotates_pairs_half_a_head_apart() -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)
    # Frequencies 1 and 10000^(-2/4) = 0.01; pairs (x0, x2) and (x1, x3); position 3.
    a, b = 3.0, 0.03
    expected = [
        1 * math.cos(a) - 3 * math.sin(a),
        2 * math.cos(b) - 4 * math.sin(b),
        3 * math.cos(a) + 1 * math.sin(a),
        4 * math.cos(b) + 2 * math.sin(b),
    ]
    rotated = rotate(x, RotaryPositions(4, 1, 4)(3, 1)).flatten().tolist()
    assert rotated == pytest.approx(expected, abs=1e-6)


def test_alibi_slopes_of_eight_heads() -> None:
    assert alibi_slopes(8) == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]


def test_alibi_slopes_of_twelve_heads_are_those_of_eight_and_four_between() -> None:
    between = [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    assert alibi_slopes(12) == pytest.approx([2.0**-i for i in range(1, 9)] + between)


@pytest.mark.parametrize("heads", range(1, 20))
def test_every_head_has_a_slope_of_its_own(heads: int) -> None:
    slopes = alibi_slopes(heads)
    assert len(set(slopes)) == heads
    assert all(0 < slope < 1 for slope in slopes)


def test_alibi_bias_grows_with_distance_and_hides_the_future() -> None:
    # Two heads: slopes 1/16 and 1/256. New tokens at positions 1 and 2.
    bias = AlibiPositions(2)(1, 2)
    inf = math.inf
    assert bias.tolist() == [
        [
            [[-1 / 16, -0.0, -inf], [-2 / 16, -1 / 16, -0.0]],
            [[-1 / 256, -0.0, -inf], [-2 / 256, -1 / 256, -0.0]],
        ]
    ]


def test_sinusoids_are_those_of_vaswani() -> None:
    table = sinusoids(10, 6).numpy()
    for position in range(10):
        for pair in range(3):
            angle = position / 10000 ** (2 * pair / 6)
            np.testing.assert_allclose(table[position, 2 * pair], np.sin(angle), atol=1e-12)
            np.testing.assert_allclose(table[position, 2 * pair + 1], np.cos(angle), atol=1e-12)
