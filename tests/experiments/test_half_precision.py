from __future__ import annotations

from dataclasses import dataclass

import pytest

from experiments.half_precision.__main__ import DTYPES, SEEDS, SHAPES, table, upper_bound, wanted_training
from experiments.trainings import Trained


@dataclass
class Written:
    """Takes the place of a file of trainings."""

    done: dict[str, Trained]

    def of(self, wanted: object) -> Trained:
        return self.done[wanted.key]  # type: ignore[attr-defined]


def trained(shape: str, seed: int, val_bpb: float) -> Trained:
    wanted = wanted_training(shape, seed, 1e11)
    return Trained(
        key=wanted.key,
        architecture=wanted.candidate.architecture,
        vocabulary=wanted.candidate.vocabulary,
        train_flops=1e11,
        batch_tokens=1024,
        learning_rate=wanted.recipe.learning_rate,
        seed=seed,
        num_steps=wanted.recipe.num_steps,
        val_bpb=val_bpb,
    )


def test_the_bound_is_students() -> None:
    """By hand: the mean, and the error of the mean times Student's quantile."""
    mean, bound = upper_bound([0.0, 0.01, 0.02, 0.03, 0.04])
    assert mean == pytest.approx(0.02)
    # Sample SD 0.015811, its error 0.0070711, times the quantile 2.1318.
    assert bound == pytest.approx(0.02 + 2.1318 * 0.0070711, abs=1e-5)


def test_a_shape_stands_in_the_table_when_all_its_pairs_are_there() -> None:
    first, second, _ = SHAPES
    files = {dtype: Written({}) for dtype in DTYPES}
    for seed in range(SEEDS):
        for shape in (first, second):
            for dtype, val_bpb in zip(DTYPES, (2.0, 2.02 if shape == first else 1.99), strict=True):
                one = trained(shape, seed, val_bpb)
                files[dtype].done[one.key] = one
    missing = wanted_training(second, SEEDS - 1, 1e11).key
    del files["bfloat16"].done[missing]
    rows = table(files, 1e11).splitlines()[2:]  # type: ignore[arg-type]
    assert len(rows) == 1
    assert rows[0].startswith(f"| {first} |")
    assert rows[0].endswith("| 2.0000 | 2.0200 | +0.0200 | +0.0200 | not met |")
