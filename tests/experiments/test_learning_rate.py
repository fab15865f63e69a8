from __future__ import annotations

import pytest

from experiments.learning_rate.sweep import next_rates, sweep_points, table
from experiments.trainings import TrainingResult

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
        # Swept under another rule: the rate of this rule is still to be trained, the best is known.
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


def test_the_table_tells_what_the_rule_loses_and_what_was_not_swept() -> None:
    first, second = sweep_points(1024, 256, ("small",), 2e12)
    val_bpb = {
        (first, first.rule): 1.8,
        (first, first.rule / 2): 1.75,
        (first, first.rule / 4): 1.9,
        (second, second.rule): 1.7,
    }
    results = {}
    for (point, rate), bpb in val_bpb.items():
        spec = point.spec(rate)
        results[spec.key] = TrainingResult(
            key=spec.key,
            architecture=point.architecture,
            vocabulary=spec.candidate.vocabulary,
            train_flops=2e12,
            batch_tokens=1024,
            learning_rate=rate,
            seed=0,
            num_steps=1,
            val_bpb=bpb,
        )
    page = table([first, second], results)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    assert rows[2][-4:] == ["1.800", f"{first.rule / 2:.5f}", "1.750", "0.050"]
    assert rows[3][-4:] == ["1.700", "not swept", "not swept", "not swept"]
    assert page.endswith("The rule loses at most 0.050 bits per byte, 0.050 in the mean.")
