from __future__ import annotations

import re
from typing import Any

import pytest

from nas.architecture.config import ArchitectureConfig
from nas.architecture.transformers_class import (
    CLASSES,
    GROUPED_QUERY,
    MULTI_HEAD,
    MULTI_QUERY,
    Traits,
    check_gguf,
    is_exportable,
    kv_heads_kind,
    no_class_message,
    transformers_class,
)
from nas.errors import ArchitectureError
from tests.helpers.architectures import every_choice, tiny
from tests.helpers.checkpoints import BY_CLASS


@pytest.mark.parametrize(("name", "changes"), BY_CLASS.items())
def test_an_architecture_is_served_by_its_class(name: str, changes: dict[str, Any]) -> None:
    assert transformers_class(tiny(**changes)).name == name


def test_every_class_serves_some_architecture_and_is_tested() -> None:
    assert {candidate.name for candidate in CLASSES} == set(BY_CLASS)


def test_no_architecture_is_served_by_two_classes() -> None:
    for config in every_choice():
        assert sum(not candidate.missing(Traits.from_architecture(config)) for candidate in CLASSES) <= 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"position_encoding": "alibi"}, "gelu rmsnorm alibi exactly; use position_encoding rope"),
        (
            {"position_encoding": "learned"},
            "gelu rmsnorm learned exactly; use position_encoding rope, or normalization layernorm",
        ),
        (
            {"normalization": "layernorm", "qk_norm": True},
            "gelu layernorm rope qk-norm exactly; use normalization rmsnorm, or qk_norm false",
        ),
        (
            {"normalization": "layernorm", "position_encoding": "learned", "num_kv_heads": 2},
            "gelu layernorm learned with grouped queries exactly; use position_encoding rope, "
            "or num_kv_heads as many as num_heads, or num_kv_heads 1",
        ),
        (
            {"position_encoding": "none"},
            "gelu rmsnorm no position exactly; use position_encoding rope, or activation geglu or swiglu, "
            "or normalization layernorm",
        ),
        (
            {"normalization": "layernorm", "position_encoding": "alibi", "qk_norm": True, "activation": "swiglu"},
            "swiglu layernorm alibi qk-norm exactly; use "
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
            for changes in str(error).partition("exactly; use ")[2].split(", or "):
                for changed in changes_of(changes, config):
                    transformers_class(config.model_copy(update=changed))
    assert refused > 100


def changes_of(advice: str, config: ArchitectureConfig) -> list[dict[str, Any]]:
    """Return the updates that advice such as `a x or y and b z` names: each value of a key with the others' first."""
    allowed = {}
    for change in advice.split(" and "):
        key, _, values = change.partition(" ")
        allowed[key] = [value_of(value, config) for value in re.split(" or ", values)]
    first = {key: values[0] for key, values in allowed.items()}
    return [first | {key: value} for key, values in allowed.items() for value in values]


def value_of(word: str, config: ArchitectureConfig) -> Any:
    return {"true": True, "false": False, MULTI_HEAD: config.num_heads, MULTI_QUERY: 1}.get(word, word)


def test_gguf_holds_llama_and_nothing_else() -> None:
    held = []
    for config in every_choice():
        try:
            check_gguf(config)
        except ArchitectureError as error:
            assert str(error).startswith("the llama of GGUF files does not represent ")
        else:
            held.append(config)
    assert {(config.activation, config.normalization, config.position_encoding, config.qk_norm) for config in held} == {
        ("swiglu", "rmsnorm", "rope", False)
    }
    assert {config.num_kv_heads for config in held} == {1, 2, 4}
    assert {config.tie_embeddings for config in held} == {False, True}


@pytest.mark.parametrize(
    ("heads", "kv_heads", "kind"),
    [(4, 4, MULTI_HEAD), (1, 1, MULTI_HEAD), (4, 1, MULTI_QUERY), (4, 2, GROUPED_QUERY), (2, 1, MULTI_QUERY)],
)
def test_heads_of_keys_and_values_are_of_three_kinds(heads: int, kv_heads: int, kind: str) -> None:
    assert kv_heads_kind(heads, kv_heads) == kind


def test_of_many_points_the_one_with_the_fewest_changes_is_explained() -> None:
    far = Traits("layernorm", "alibi", "swiglu", True, MULTI_HEAD)
    near = Traits("rmsnorm", "alibi", "swiglu", True, MULTI_HEAD)
    assert not is_exportable(far) and not is_exportable(near)
    assert no_class_message([far, near]).endswith("swiglu rmsnorm alibi qk-norm exactly; use position_encoding rope")
