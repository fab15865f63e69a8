from __future__ import annotations

from dataclasses import dataclass

import pytest

from experiments.learning_rate.__main__ import cells_of, next_rates, tables
from experiments.trainings import Trained

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


@dataclass
class Written:
    """Takes the place of a file of trainings."""

    done: dict[str, Trained]


def test_the_table_tells_what_the_rule_loses_and_what_was_not_swept() -> None:
    first, second = cells_of(1024, 256, ("small",), 2e12)
    found = {
        (first, first.rule): 1.8,
        (first, first.rule / 2): 1.75,
        (first, first.rule / 4): 1.9,
        (second, second.rule): 1.7,
    }
    done = {}
    for (cell, rate), bpb in found.items():
        wanted = cell.wanted(rate)
        done[wanted.key] = Trained(
            key=wanted.key,
            architecture=cell.architecture,
            vocabulary=wanted.candidate.vocabulary,
            train_flops=2e12,
            batch_tokens=1024,
            learning_rate=rate,
            seed=0,
            num_steps=1,
            val_bpb=bpb,
        )
    page = tables([first, second], Written(done))  # type: ignore[arg-type]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    assert rows[2][-4:] == ["1.800", f"{first.rule / 2:.5f}", "1.750", "0.050"]
    assert rows[3][-4:] == ["1.700", "not swept", "not swept", "not swept"]
    assert page.endswith("The rule loses at most 0.050 bits per byte, 0.050 in the mean.")
