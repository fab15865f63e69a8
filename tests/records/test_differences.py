from __future__ import annotations

import pytest

from nas.records.differences import describe_differences

STORED = {"version": 2, "recipe": {"num_steps": 100, "seed": 0}, "distillation": None, "command": "python"}


def test_equal_values_in_another_order_do_not_differ() -> None:
    requested = {"version": 2, "recipe": {"seed": 0, "num_steps": 100}, "distillation": None}
    assert describe_differences(STORED, requested) is None


def test_each_differing_value_is_named_with_both_values() -> None:
    requested = STORED | {"recipe": {"num_steps": 150, "seed": 1, "decay": "sqrt"}}
    differences = describe_differences(STORED, requested)
    assert differences is not None
    assert differences.split("; ") == [
        "recipe.num_steps: stored 100, requested 150",
        "recipe.seed: stored 0, requested 1",
        "recipe.decay: stored None, requested sqrt",
    ]


def test_a_section_instead_of_none_is_named_by_its_values() -> None:
    requested = STORED | {"distillation": {"share": 0.5}}
    assert describe_differences(STORED, requested) == "distillation.share: stored None, requested 0.5"


@pytest.mark.parametrize(("count", "more"), [(4, 0), (6, 2)])
def test_four_differences_are_named_and_the_others_counted(count: int, more: int) -> None:
    keys = "abcdef"[:count]
    differences = describe_differences({"recipe": dict.fromkeys(keys, 1)}, {"recipe": dict.fromkeys(keys, 2)})
    assert differences is not None
    assert differences.count("stored 1, requested 2") == 4
    assert (f"and {more} more" in differences) == bool(more)


def test_a_none_that_is_not_stored_is_a_difference() -> None:
    assert describe_differences({"recipe": {}}, {"recipe": {"ema": None}}) == "recipe"
