from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from nas.training.recipe import learning_rate_rule, plan_recipe
from tests.helpers.tiny_models import recipe, tiny


def test_the_rate_warms_up_stays_and_falls_as_by_hand() -> None:
    schedule = recipe(learning_rate=2.0, num_steps=10, warmup_steps=3, decay_share=0.2)
    expected = [0.5, 1.0, 1.5, 2, 2, 2, 2, 2, 2 * (1 - math.sqrt(1 / 3)), 2 * (1 - math.sqrt(2 / 3))]
    assert [schedule.learning_rate_at(step) for step in range(10)] == pytest.approx(expected)


def test_without_warm_up_and_decay_the_rate_is_constant() -> None:
    schedule = recipe(learning_rate=0.3, num_steps=5, warmup_steps=0, decay_share=0.0)
    assert [schedule.learning_rate_at(step) for step in range(5)] == [0.3] * 5


def test_a_decay_over_all_steps_begins_after_the_warm_up() -> None:
    schedule = recipe(learning_rate=1.0, num_steps=5, warmup_steps=2, decay_share=1.0)
    expected = [1 / 3, 2 / 3, *(1 - math.sqrt(part / 4) for part in (1, 2, 3))]
    assert [schedule.learning_rate_at(step) for step in range(5)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("decay", "left"),
    [("linear", [0.75, 0.5, 0.25]), ("cosine", [(1 + math.cos(math.pi * part / 4)) / 2 for part in (1, 2, 3)])],
)
def test_a_decay_falls_by_its_shape_to_the_final_rate(decay: str, left: list[float]) -> None:
    schedule = recipe(learning_rate=3.0, final_learning_rate=1.0, num_steps=4, decay=decay, decay_share=0.75)
    assert [schedule.learning_rate_at(step) for step in range(4)] == pytest.approx(
        [3, *(1 + 2 * share for share in left)]
    )


@pytest.mark.parametrize("num_steps", [1, 2, 3, 7, 100, 1001])
@pytest.mark.parametrize("decay_share", [0.0, 0.2, 1.0])
def test_every_step_has_a_rate_above_zero_and_at_most_the_peak(num_steps: int, decay_share: float) -> None:
    schedule = recipe(num_steps=num_steps, warmup_steps=num_steps // 10, decay_share=decay_share)
    rates = [schedule.learning_rate_at(step) for step in range(num_steps)]
    assert 0 < min(rates) <= max(rates) <= schedule.learning_rate


def test_the_rule_falls_as_one_over_the_width_and_looks_at_nothing_else() -> None:
    rate = learning_rate_rule(tiny(hidden_dim=32))
    assert learning_rate_rule(tiny(hidden_dim=64)) == rate / 2
    assert learning_rate_rule(tiny(num_layers=7, vocab_size=999, activation="swiglu")) == rate


def test_a_planned_recipe_by_hand() -> None:
    planned = plan_recipe(tiny(), num_steps=95, batch_tokens=512, seq_length=64, lr_multiplier=1.5, seed=9)
    assert planned.learning_rate == 1.5 * learning_rate_rule(tiny())
    assert (planned.batch_size, planned.seq_length, planned.batch_tokens) == (8, 64, 512)
    assert planned.warmup_steps == 10
    assert (planned.num_steps, planned.seed) == (95, 9)
    long = plan_recipe(tiny(), num_steps=1_000_000, batch_tokens=512, seq_length=64)
    assert long.warmup_steps == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0},
        {"num_steps": 0},
        {"batch_size": 0},
        {"warmup_steps": 13},
        {"decay_share": 1.1},
        {"grad_clip": 0},
        {"momentum": 1},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        recipe(**changes)
