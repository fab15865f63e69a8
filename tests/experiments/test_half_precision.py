from __future__ import annotations

import pytest

from experiments.half_precision.pairs import DTYPES, NUM_SEEDS, SHAPES, table, training_spec, upper_bound
from experiments.trainings import TrainingResult


def result(shape: str, seed: int, val_bpb: float) -> TrainingResult:
    spec = training_spec(shape, seed, 1e11)
    return TrainingResult(
        key=spec.key,
        architecture=spec.candidate.architecture,
        vocabulary=spec.candidate.vocabulary,
        train_flops=1e11,
        batch_tokens=1024,
        learning_rate=spec.recipe.learning_rate,
        seed=seed,
        num_steps=spec.recipe.num_steps,
        val_bpb=val_bpb,
    )


def test_the_bound_is_students() -> None:
    """By hand: the mean, and the error of the mean times Student's quantile."""
    mean, bound = upper_bound([0.0, 0.01, 0.02, 0.03, 0.04])
    assert mean == pytest.approx(0.02)
    # Sample SD 0.015811, its error 0.0070711, times the quantile 2.1318.
    assert bound == pytest.approx(0.02 + 2.1318 * 0.0070711, abs=1e-5)


def test_a_shape_is_in_the_table_when_all_its_pairs_are_there() -> None:
    first, second, _ = SHAPES
    results: dict[str, dict[str, TrainingResult]] = {dtype: {} for dtype in DTYPES}
    for seed in range(NUM_SEEDS):
        for shape in (first, second):
            for dtype, val_bpb in zip(DTYPES, (2.0, 2.02 if shape == first else 1.99), strict=True):
                training = result(shape, seed, val_bpb)
                results[dtype][training.key] = training
    del results["bfloat16"][training_spec(second, NUM_SEEDS - 1, 1e11).key]
    rows = table(results, 1e11).splitlines()[2:]
    assert len(rows) == 1
    assert rows[0].startswith(f"| {first} |")
    assert rows[0].endswith("| 2.0000 | 2.0200 | +0.0200 | +0.0200 | not met |")
