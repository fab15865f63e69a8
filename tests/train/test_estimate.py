from __future__ import annotations

from nas.train.estimate import estimate, measured_peak_flops
from nas.train.plan import TrainingPlan
from tests.helpers.tiny_models import NUMERICS, random_tokens, recipe, tiny


def test_an_estimate_is_of_real_steps() -> None:
    config = tiny(num_layers=2)
    plan = TrainingPlan(config, recipe(num_steps=1000, ema_decay=0.9), NUMERICS, "hash", 100, 4096)
    estimated = estimate(plan, random_tokens(600))
    assert 0 < estimated.step_seconds < 60
    assert estimated.seconds(1000) == 1000 * estimated.step_seconds
    assert estimated.checkpoint_bytes == 20 * config.num_params
    assert estimated.memory_bytes > 10_000_000
    expected = config.train_flops_per_token(16) * 64 / estimated.step_seconds / estimated.peak_flops
    assert estimated.peak_share(plan) == expected
    assert 0 < expected < 1


def test_the_peak_is_that_of_products_in_the_precision_of_training() -> None:
    for dtype in ("float32", "bfloat16"):
        assert 1e8 < measured_peak_flops(NUMERICS.model_copy(update={"dtype": dtype})) < 1e16
