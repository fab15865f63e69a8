from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nas.architecture.config import CHOICES, ArchitectureConfig, read_arch_json
from nas.errors import ArchitectureError

ORIGIN: dict[str, Any] = {
    "arch_type": "transformer",
    "num_layers": 4,
    "hidden_dim": 256,
    "num_heads": 8,
    "ffn_multiplier": 3.0,
    "normalization": "rmsnorm",
    "activation": "gelu",
    "position_encoding": "rope",
    "attention_dropout": 0.0,
    "residual_dropout": 0.0,
    "vocab_size": 50257,
    "max_seq_length": 256,
}


def write(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 28_355_328),
        ({"vocab_size": 101}, 2_675_456),
        ({"num_layers": 8, "hidden_dim": 512, "normalization": "layernorm", "vocab_size": 8000}, 29_180_928),
    ],
)
def test_published_models_have_their_published_size(changes: dict[str, Any], count: int) -> None:
    assert ArchitectureConfig.parse(ORIGIN | changes).num_params == count


def test_absent_keys_mean_untied_without_qk_norm_and_without_groups(tmp_path: Path) -> None:
    config = ArchitectureConfig.load(write(tmp_path / "arch.json", ORIGIN))
    assert not config.tie_embeddings
    assert not config.qk_norm
    assert config.num_kv_heads == 8


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
@pytest.mark.parametrize(("key", "value"), [("quantization", "int8"), ("pruning_ratio", 0.1), ("model_type", "gpt")])
def test_keys_of_the_origin_without_effect_are_ignored_with_a_warning(
    tmp_path: Path, nested: bool, key: str, value: object
) -> None:
    values = ORIGIN | {key: value}
    path = write(tmp_path / "arch.json", {"architecture": values, "fitness": 1.0} if nested else values)
    with pytest.warns(UserWarning, match=f"'{key}' in the architecture is ignored"):
        loaded = ArchitectureConfig.load(path)
    assert loaded == ArchitectureConfig.parse(ORIGIN)


def test_our_own_json_round_trips(tmp_path: Path) -> None:
    config = ArchitectureConfig.parse(ORIGIN | {"num_kv_heads": 2, "qk_norm": True, "tie_embeddings": True})
    assert ArchitectureConfig.load(write(tmp_path / "arch.json", config.model_dump())) == config


def test_an_unknown_key_suggests_the_nearest_one() -> None:
    with pytest.raises(ArchitectureError, match="unknown architecture key 'num_layer'; did you mean 'num_layers'"):
        ArchitectureConfig.parse(ORIGIN | {"num_layer": 4})


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"num_heads": 7}, "hidden_dim 256 is not divisible by num_heads 7; choose num_heads among [1, 2, 4, 8, 16,"),
        ({"num_kv_heads": 3}, "num_heads 8 is not divisible by num_kv_heads 3; choose num_kv_heads among [1, 2, 4, 8]"),
        ({"num_heads": 256}, "even head dimension (hidden_dim / num_heads), found 1; choose"),
        ({"num_heads": 1, "hidden_dim": 5, "position_encoding": "sinusoidal"}, "even hidden_dim, found 5"),
        ({"ffn_multiplier": 0.001}, "ffn_multiplier 0.001 gives a feed-forward width of 0; choose at least 0.00391"),
        ({"num_layers": 0}, "architecture num_layers: input should be greater than or equal to 1, found 0"),
        (
            {"activation": "tanh"},
            "architecture activation: input should be 'gelu', 'silu', 'relu2', 'geglu' or 'swiglu'",
        ),
    ],
)
def test_an_illegal_value_gives_one_clear_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        ArchitectureConfig.parse(ORIGIN | changes)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["num_heads", "num_layers", "vocab_size"])
def test_a_missing_or_zero_key_is_one_line_too(key: str) -> None:
    for values in ({name: ORIGIN[name] for name in ORIGIN if name != key}, ORIGIN | {key: 0}, ORIGIN | {key: None}):
        with pytest.raises(ArchitectureError, match=f"architecture {key}: ") as caught:
            ArchitectureConfig.parse(values)
        assert "\n" not in str(caught.value)


def test_files_that_hold_no_architecture_are_named(tmp_path: Path) -> None:
    missing, broken, listed = tmp_path / "missing.json", tmp_path / "broken.json", tmp_path / "list.json"
    broken.write_text("{", encoding="utf-8")
    write(listed, [1])
    for path, complaint in ((missing, "No such file"), (broken, "is not JSON"), (listed, "found list")):
        with pytest.raises(ArchitectureError, match=complaint) as caught:
            read_arch_json(path)
        assert str(path) in str(caught.value)


def test_the_id_is_stable_and_differs_between_architectures() -> None:
    config = ArchitectureConfig.parse(ORIGIN)
    assert config.id == ArchitectureConfig.parse(dict(reversed(ORIGIN.items())) | {"num_kv_heads": 8}).id
    assert len(config.id) == 10
    variants = [config.model_copy(update={"qk_norm": True}), config.model_copy(update={"num_layers": 5})]
    variants += [config.model_copy(update={key: choice}) for key in CHOICES for choice in CHOICES[key]]
    # Three of the variants repeat the architecture itself.
    assert len({variant.id for variant in variants}) == len(variants) - 2


def test_absolute_means_sinusoidal() -> None:
    assert ArchitectureConfig.parse(ORIGIN | {"position_encoding": "absolute"}).position_encoding == "sinusoidal"


def test_flops_count_weights_twice_and_attention_over_the_square() -> None:
    config = ArchitectureConfig.parse(ORIGIN | {"num_layers": 1, "hidden_dim": 8, "num_heads": 2, "vocab_size": 10})
    # 4 x 8 x 8 attention, 2 x 8 x 24 feed-forward, 10 x 8 head; 5 tokens back, two products of 2 x 5 x 8.
    assert config.forward_flops_per_token(5) == 2 * (256 + 384 + 80) + 160
    assert config.train_flops_per_token(5) == 3 * config.forward_flops_per_token(5)
