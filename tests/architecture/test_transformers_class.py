from __future__ import annotations

import re
from typing import Any

import pytest

from nas.architecture.config import ArchitectureConfig
from nas.architecture.transformers_class import (
    CLASSES,
    EACH,
    ONE,
    SOME,
    Traits,
    check_gguf,
    is_exportable,
    kv_heads_kind,
    nearest_refusal,
    transformers_class,
)
from nas.errors import ArchitectureError
from tests.helpers.architectures import every_choice, tiny
from tests.helpers.checkpoints import BY_CLASS


@pytest.mark.parametrize(("name", "changes"), BY_CLASS.items())
def test_an_architecture_is_served_by_its_class(name: str, changes: dict[str, Any]) -> None:
    assert transformers_class(tiny(**changes)).name == name


def test_every_class_serves_some_architecture_and_is_tested() -> None:
    assert {one.name for one in CLASSES} == set(BY_CLASS)


def test_no_architecture_is_served_by_two_classes() -> None:
    for config in every_choice():
        assert sum(not one.missing(Traits.of(config)) for one in CLASSES) <= 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"position_encoding": "alibi"}, "gelu rmsnorm alibi exactly; what would do: position_encoding rope"),
        (
            {"position_encoding": "learned"},
            "gelu rmsnorm learned exactly; what would do: position_encoding rope, or normalization layernorm",
        ),
        (
            {"normalization": "layernorm", "qk_norm": True},
            "gelu layernorm rope qk-norm exactly; what would do: normalization rmsnorm, or qk_norm false",
        ),
        (
            {"normalization": "layernorm", "position_encoding": "learned", "num_kv_heads": 2},
            "gelu layernorm learned with grouped queries exactly; what would do: position_encoding rope, "
            "or num_kv_heads as many as num_heads, or num_kv_heads 1",
        ),
        (
            {"position_encoding": "none"},
            "gelu rmsnorm no position exactly; what would do: position_encoding rope, or activation geglu or swiglu, "
            "or normalization layernorm",
        ),
        (
            {"normalization": "layernorm", "position_encoding": "alibi", "qk_norm": True, "activation": "swiglu"},
            "swiglu layernorm alibi qk-norm exactly; what would do: "
            "normalization rmsnorm and position_encoding rope, or position_encoding rope and qk_norm false",
        ),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_refusal_names_the_keys_and_what_would_do(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        transformers_class(tiny(**changes))
    assert str(caught.value) == f"no class of transformers represents {reason}"


def test_whatever_a_refusal_advises_would_do() -> None:
    refused = 0
    for config in every_choice():
        try:
            transformers_class(config)
        except ArchitectureError as error:
            refused += 1
            for way in str(error).partition("what would do: ")[2].split(", or "):
                for changed in changes_of(way, config):
                    transformers_class(config.model_copy(update=changed))
    assert refused > 100


def changes_of(way: str, config: ArchitectureConfig) -> list[dict[str, Any]]:
    """`a x or y and b z` as the values to set: each of a's with all of the others' first."""
    allowed = {}
    for change in way.split(" and "):
        key, _, values = change.partition(" ")
        allowed[key] = [value_of(one, config) for one in re.split(" or ", values)]
    first = {key: values[0] for key, values in allowed.items()}
    return [first | {key: value} for key, values in allowed.items() for value in values]


def value_of(said: str, config: ArchitectureConfig) -> Any:
    return {"true": True, "false": False, EACH: config.num_heads, ONE: 1}.get(said, said)


def test_gguf_holds_llama_and_nothing_else() -> None:
    held = []
    for config in every_choice():
        try:
            check_gguf(config)
        except ArchitectureError as error:
            assert str(error).startswith("the llama of GGUF files does not represent ")
        else:
            held.append(config)
    assert {(one.activation, one.normalization, one.position_encoding, one.qk_norm) for one in held} == {
        ("swiglu", "rmsnorm", "rope", False)
    }
    assert {one.num_kv_heads for one in held} == {1, 2, 4} and {one.tie_embeddings for one in held} == {False, True}


@pytest.mark.parametrize(
    ("heads", "kv_heads", "kind"), [(4, 4, EACH), (1, 1, EACH), (4, 1, ONE), (4, 2, SOME), (2, 1, ONE)]
)
def test_heads_of_keys_and_values_are_of_three_kinds(heads: int, kv_heads: int, kind: str) -> None:
    assert kv_heads_kind(heads, kv_heads) == kind


def test_of_many_points_the_one_that_lacks_least_is_named() -> None:
    far = Traits("layernorm", "alibi", "swiglu", True, EACH)
    near = Traits("rmsnorm", "alibi", "swiglu", True, EACH)
    assert not is_exportable(far) and not is_exportable(near)
    assert nearest_refusal([far, near]).endswith(
        "swiglu rmsnorm alibi qk-norm exactly; what would do: position_encoding rope"
    )
