from __future__ import annotations

import pytest

from nas.experiments.learning_rate import next_rates

RULE = 0.004


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({}, [0.004, 0.002, 0.008]),
        ({0.002: 1.9, 0.004: 1.8, 0.008: 1.9}, []),
        ({0.002: 1.8, 0.004: 1.9, 0.008: 2.0}, [0.001]),
        ({0.002: 2.0, 0.004: 1.9, 0.008: 1.8}, [0.016]),
        ({0.001: 1.9, 0.002: 1.8, 0.004: 1.9, 0.008: 2.0}, []),
        ({0.004: 1.8}, [0.002, 0.008]),
        # Swept under another rule: this one's rate is still to be trained, the best is known.
        ({0.001: 1.9, 0.0016: 1.8, 0.003: 1.9}, [0.004]),
        # A neighbour that is too far away to bracket the best.
        ({0.001: 1.9, 0.004: 1.8, 0.008: 1.9}, [0.002]),
        ({0.002: 1.9, 0.004: 1.8, 0.008: float("inf")}, []),
    ],
)
def test_the_rule_and_the_neighbours_of_the_best_are_trained(
    measured: dict[float, float], expected: list[float]
) -> None:
    assert next_rates(RULE, measured) == pytest.approx(expected)
