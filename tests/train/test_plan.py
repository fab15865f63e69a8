from __future__ import annotations

import pytest

from nas.architecture.config import ArchitectureConfig
from nas.train.plan import plan_evaluations
from nas.train.recipes import full_recipe
from tests.helpers.tiny_models import NUMERICS

ORIGIN = ArchitectureConfig.load("origin-a")
BYTES_PER_TOKEN = 3.0


@pytest.mark.parametrize(
    ("flops", "dtype", "count", "size"),
    [
        (1e13, "bfloat16", 4, 32_768),
        (1e14, "bfloat16", 5, 32_768),
        (1e14, "float32", 20, 32_768),
        (1e15, "bfloat16", 20, 65_536),
        (1e15, "float32", 20, 262_144),
    ],
)
def test_evaluations_take_under_3_percent_of_the_flops_unless_a_run_is_very_short(
    flops: float, dtype: str, count: int, size: int
) -> None:
    numerics = NUMERICS.model_copy(update={"dtype": dtype})
    recipe = full_recipe(ORIGIN, "search", {}, {"flops": flops})
    every, validation_bytes = plan_evaluations(ORIGIN, recipe, numerics, BYTES_PER_TOKEN, None)
    assert (-(-recipe.num_steps // every), validation_bytes) == (count, size)
    slowness = {"float32": 1, "bfloat16": 4}[dtype]
    share = count * size / BYTES_PER_TOKEN * ORIGIN.forward_flops_per_token() * slowness / flops
    assert (share < 0.02) == (flops >= 1e14)


def test_requested_evaluations_use_as_much_text_as_time_allows() -> None:
    recipe = full_recipe(ORIGIN, "search", {}, {"flops": 1e15})
    assert recipe.num_steps == 9701
    assert plan_evaluations(ORIGIN, recipe, NUMERICS, BYTES_PER_TOKEN, 700) == (700, 262_144)
    assert plan_evaluations(ORIGIN, recipe, NUMERICS, BYTES_PER_TOKEN, 100) == (100, 65_536)


def test_one_step_has_one_evaluation() -> None:
    recipe = full_recipe(ORIGIN, "search", {}, {"max_steps": 1})
    assert plan_evaluations(ORIGIN, recipe, NUMERICS, BYTES_PER_TOKEN, None) == (1, 32_768)


def test_the_origins_recipe_in_full() -> None:
    recipe = full_recipe(ORIGIN, "origin", {"batch_tokens": 512, "lr_multiplier": 9.0}, {"seed": 4})
    assert (recipe.num_steps, recipe.batch_size, recipe.seq_length, recipe.warmup_steps) == (50_000, 32, 256, 2_000)
    assert (recipe.grad_clip, recipe.seed) == (1.0, 4)
    assert recipe.learning_rate_at(0) == pytest.approx(3e-4 / 2001)
    assert recipe.learning_rate_at(2_000) == pytest.approx(3e-4, rel=1e-6)
    assert recipe.learning_rate_at(26_000) == pytest.approx((3e-4 + 1e-5) / 2, rel=1e-3)
    assert recipe.learning_rate_at(49_999) == pytest.approx(1e-5, rel=1e-5)


def test_the_shipped_architectures_are_those_of_the_origin() -> None:
    sizes = {
        name: ArchitectureConfig.load(name).num_params for name in ("origin-a", "origin-b", "origin-c", "origin-e")
    }
    assert sizes["origin-c"] == 28_355_328  # the origin's own count
    assert sizes["origin-a"] == 28_355_328 - 2 * 256 * (50_257 - 4_096)
    assert 117e6 < sizes["origin-b"] < 125e6
    assert ArchitectureConfig.load("origin-e").describe().startswith("L8 H512 ")
    assert ArchitectureConfig.load("small-1m").num_params < 1e6
