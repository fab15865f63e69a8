from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from nas.architecture.transformers_class import transformers_class
from nas.search.references import REFERENCES, compute_optimal_params, scaled_references
from nas.space.search_space import SearchSpace, load_space, shipped_spaces
from tests.helpers.spaces import FOUR, sampler_of, sizes_of, space_of

FAMILY = ("activation", "normalization", "position_encoding", "tie_embeddings", "qk_norm")


def references(space: SearchSpace) -> dict[str, dict[str, Any]]:
    return scaled_references(space, sizes_of(space))


def test_compute_optimal_parameters_are_those_of_the_paper() -> None:
    """e^-2.485 is 0.083326; the square root of 1e12 is 1e6."""
    assert compute_optimal_params(1e12) == pytest.approx(83_326, rel=1e-4)


@pytest.mark.parametrize("name", shipped_spaces())
def test_every_shipped_space_has_three_distinct_legal_references(name: str) -> None:
    space = load_space(name)
    points = references(space)
    assert list(points) == ["origin", "gpt2", "llama"]
    architectures = [sampler_of(space).candidate(params).architecture for params in points.values()]
    assert len({architecture.id for architecture in architectures}) == 3
    assert all(over <= 0 for architecture in architectures for over in space.excess(architecture).values())


@pytest.mark.parametrize("name", shipped_spaces())
def test_the_references_of_every_shipped_space_are_exportable(name: str) -> None:
    space = load_space(name)
    points = references(space.only_exportable())
    assert points == references(space)
    classes = [transformers_class(sampler_of(space).candidate(params).architecture).name for params in points.values()]
    # The space of the origin has no learned positions.
    assert classes == [
        "ArceeForCausalLM",
        "Starcoder2ForCausalLM" if name == "origin" else "GPT2LMHeadModel",
        "LlamaForCausalLM",
    ]


def test_a_reference_that_is_not_exportable_is_left_out(tmp_path: Path) -> None:
    """GPT-2 is LayerNorm here, the others are RMSNorm."""
    family = 'position_encoding = "none"\nactivation = "gelu"\nnormalization = ["rmsnorm", "layernorm"]'
    space = space_of(FOUR.replace("head_dim = 16", f"head_dim = 16\n{family}"), tmp_path)
    assert list(references(space)) == ["origin", "gpt2"]
    assert list(references(space.only_exportable())) == ["gpt2"]


def test_the_origin_space_at_its_own_budget_contains_the_origin() -> None:
    origin = references(load_space("origin"))["origin"]
    assert (origin["num_layers"], origin["hidden_dim"], origin["vocab_size"], origin["ffn_multiplier"]) == (
        4,
        256,
        50_257,
        3.0,
    )


def test_vocabulary_and_feed_forward_are_the_nearest_by_ratio(tmp_path: Path) -> None:
    """Expected values by hand, at width 512.

    The origin's 50257/256 is 100,514 tokens: 50257 is the largest there is. GPT-2's 50257/768 is 33,505, nearer to
    32768 than to 50257; Llama's 32000/4096 is 4,000, nearer to 4096 than to 2048. Llama's feed-forward of 2.6875 is
    nearer to 3.0 (a ratio of 1.12) than to 2.0 (1.34).
    """
    text = FOUR.replace("hidden_dim = [32, 64]", "hidden_dim = 512\nffn_multiplier = [2.0, 3.0, 4.0]")
    text = text.replace("vocab_size = 256", "vocab_size = [1024, 2048, 4096, 8192, 16384, 32768, 50257]")
    text = text.replace("1_000_000", "1e9").replace("1e10", "1e16")
    points = references(space_of(text, tmp_path))
    assert {name: point["vocab_size"] for name, point in points.items()} == {
        "origin": 50_257,
        "gpt2": 32_768,
        "llama": 4096,
    }
    assert {name: point["ffn_multiplier"] for name, point in points.items()} == {
        "origin": 3.0,
        "gpt2": 4.0,
        "llama": 3.0,
    }


@pytest.mark.parametrize("name", shipped_spaces())
def test_a_reference_keeps_its_family_and_the_neutral_recipe(name: str) -> None:
    for reference, params in references(load_space(name)).items():
        for key in FAMILY:
            assert params.get(key, REFERENCES[reference][key]) == REFERENCES[reference][key]
        assert (params.get("dropout", 0.0), params.get("lr_multiplier", 1.0)) == (0.0, 1.0)


@pytest.mark.parametrize("name", shipped_spaces())
def test_no_other_depth_and_width_is_nearer_to_the_optimal_size_and_the_published_aspect(name: str) -> None:
    space = load_space(name)
    sampler = sampler_of(space)
    target = math.exp(-2.485) * math.sqrt(space.training.trial_flops)

    def distance(params: dict[str, Any], reference: str) -> float:
        architecture = sampler.candidate(params).architecture
        if any(over > 0 for over in space.excess(architecture).values()):
            return math.inf
        published = REFERENCES[reference]
        aspect = (params["hidden_dim"] / params["num_layers"]) / (published["hidden_dim"] / published["num_layers"])
        return abs(math.log(architecture.non_embedding_params / target)) + abs(math.log(aspect))

    sampled = sampler.infer_relative_search_space(None, None)  # type: ignore[arg-type]
    for reference, params in references(space).items():
        for layers in range(1, 13):
            for hidden in range(32, 769, 16):
                if not _allows(sampled["num_layers"], layers) or not _allows(sampled["hidden_dim"], hidden):
                    continue
                other = params | {"num_layers": layers, "hidden_dim": hidden}
                assert distance(params, reference) <= distance(other, reference) + 1e-9, (reference, layers, hidden)


def _allows(distribution: Any, value: int) -> bool:
    if hasattr(distribution, "choices"):
        return value in distribution.choices
    return distribution.low <= value <= distribution.high and (value - distribution.low) % distribution.step == 0


def test_references_that_coincide_are_one(tmp_path: Path) -> None:
    """Only size is searched: all three are the smallest model, because 8,333 parameters are optimal for 1e10 FLOPs."""
    points = references(space_of(FOUR, tmp_path))
    assert list(points) == ["origin"]
    assert points["origin"] == {"num_layers": 1, "hidden_dim": 32, "lr_multiplier": 1.0}


def test_a_space_without_a_legal_point_has_no_references(tmp_path: Path) -> None:
    assert references(space_of(FOUR.replace("1_000_000", "1_000"), tmp_path)) == {}
