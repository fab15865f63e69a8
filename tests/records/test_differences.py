from __future__ import annotations

from nas.records.differences import difference_words

STORED = {"version": 2, "recipe": {"num_steps": 100, "seed": 0}, "distillation": None, "command": "python"}


def test_what_is_the_same_differs_in_nothing() -> None:
    asked = {"version": 2, "recipe": {"seed": 0, "num_steps": 100}, "distillation": None}
    assert difference_words(STORED, asked) is None


def test_each_value_that_differs_is_named_with_both() -> None:
    asked = STORED | {"recipe": {"num_steps": 150, "seed": 1, "decay": "sqrt"}}
    assert difference_words(STORED, asked) == (
        "recipe.num_steps: stored 100, asked 150; recipe.seed: stored 0, asked 1; recipe.decay: stored None, asked sqrt"
    )


def test_a_section_in_place_of_nothing_is_named_by_its_values() -> None:
    assert difference_words(STORED, STORED | {"distillation": {"share": 0.5}}) == (
        "distillation.share: stored None, asked 0.5"
    )


def test_four_are_named_and_the_others_counted() -> None:
    stored, asked = {"recipe": dict.fromkeys("abcdef", 1)}, {"recipe": dict.fromkeys("abcdef", 2)}
    said = difference_words(stored, asked)
    assert said is not None
    assert said.count("stored 1, asked 2") == 4
    assert said.endswith("recipe.d: stored 1, asked 2; and 2 more")


def test_a_value_of_none_that_was_not_stored_is_a_difference_too() -> None:
    assert difference_words({"recipe": {}}, {"recipe": {"ema": None}}) == "recipe"
