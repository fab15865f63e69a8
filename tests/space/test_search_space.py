from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.distributions import FloatDistribution, IntDistribution

from nas.architecture.config import ArchitectureConfig
from nas.data.prepare import prepare_data
from nas.data.prepared import PreparedData
from nas.errors import SpaceError
from nas.model import Decoder
from nas.search.proposals.distributions import search_distributions
from nas.space.dimension import Point, Range, choices_of
from nas.space.search_space import MIN_STEPS, Candidate, SearchSpace, load_space, shipped_spaces
from nas.space.sections import SearchSection, vocabulary_name
from nas.tokenizer.vocabulary import bpe_size

SPACE = """
[search]
num_layers = 1
hidden_dim = 32
vocab_size = 256
[training]
trial_flops = 1e9
max_seq_length = 256
batch_tokens = 512
"""

# Every dimension is searched.
WIDE = """
[search]
num_layers = { min = 1, max = 4 }
hidden_dim = { min = 96, max = 128, step = 32 }
vocab_size = [256, 1024]
head_dim = [16, 32]
query_group_size = [1, 2, 4]
ffn_multiplier = [2.0, 3.0]
activation = ["gelu", "silu", "swiglu"]
normalization = ["layernorm", "rmsnorm"]
position_encoding = ["rope", "alibi"]
tie_embeddings = [true, false]
qk_norm = [true, false]
dropout = [0.0, 0.1]
lr_multiplier = { min = 0.5, max = 2.0, log = true }
[training]
trial_flops = 1e9
max_seq_length = 256
batch_tokens = 512
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def with_search(line: str) -> str:
    """SPACE with one more line in [search], or another value of one that is there."""
    key = line.partition("=")[0].strip()
    kept = [other for other in SPACE.splitlines() if other.partition("=")[0].strip() != key]
    return "\n".join(kept).replace("[search]", f"[search]\n{line}")


def build(space: SearchSpace, **picked: Any) -> Candidate:
    sizes = {name: bpe_size(name) or 300 for name in space.vocabulary_names}
    return space.candidate(first_point(space) | picked, sizes)


def first_point(space: SearchSpace) -> Point:
    """The first value of every searched dimension."""
    values = {name: choices_of(dimension) for name, dimension in space.dimensions.items()}
    return {name: choices[0] for name, choices in values.items() if len(choices) > 1}


def every_listed_choice() -> list[Any]:
    return [
        pytest.param(name, key, value, id=f"{name}-{key}-{value}")
        for name in shipped_spaces()
        for key in SearchSection.model_fields
        for value in choices_of(getattr(load_space(name).search, key))
    ]


def test_the_shipped_spaces() -> None:
    assert shipped_spaces() == ["base", "char", "gpu", "origin", "tiny"]


@pytest.mark.parametrize(("name", "key", "value"), every_listed_choice())
def test_every_listed_choice_can_be_built_and_run(name: str, key: str, value: Any) -> None:
    """Width, depth and vocabulary of large spaces are reduced, unless they are the tested dimension."""
    space = load_space(name)
    candidate = build(space, **{key: value})
    wanted = candidate.architecture
    if key == "vocab_size":
        assert wanted.vocab_size == (300 if value == "char" else value)
        assert candidate.vocabulary == vocabulary_name(value)
    cut = {"num_layers": 1, "hidden_dim": wanted.head_dim, "vocab_size": 256}
    if key != "vocab_size":  # heads and groups depend on the width
        del cut["hidden_dim"]
    cut.pop(key, None)
    heads = {"num_heads": 1, "num_kv_heads": 1} if "hidden_dim" in cut else {}
    small = wanted.model_copy(update={"max_seq_length": 8} | cut | heads)
    model = Decoder(small).eval()
    with torch.no_grad():
        logits = model(torch.tensor([[0, 255, 7]]))
    assert logits.shape == (1, 3, small.vocab_size)
    assert logits.isfinite().all()
    assert sum(parameter.numel() for parameter in model.parameters()) == small.num_params


@pytest.mark.parametrize("name", shipped_spaces())
def test_the_corners_of_every_shipped_space_are_legal_architectures(name: str) -> None:
    space = load_space(name)
    for pick in (0, -1):
        ends = {key: choices_of(getattr(space.search, key))[pick] for key in SearchSection.model_fields}
        assert build(space, **ends).architecture.max_seq_length == space.training.max_seq_length


@pytest.mark.parametrize("name", shipped_spaces())
def test_the_smallest_architecture_of_every_shipped_space_is_within_its_limits(name: str) -> None:
    space = load_space(name)
    smallest = {key: min(choices_of(getattr(space.search, key)), key=str) for key in ("ffn_multiplier", "activation")}
    architecture = build(space, tie_embeddings=True, **smallest).architecture
    excess = space.excess(architecture)
    assert max(excess.values()) <= 0, excess


def test_query_groups_that_do_not_divide_the_heads_are_reduced_to_the_greatest_common_divisor(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, WIDE))
    # 96 / 16 = 6 heads: groups of 1, 2 and gcd(6, 4) = 2.
    kv_heads = [
        build(space, hidden_dim=96, head_dim=16, query_group_size=group).architecture.num_kv_heads
        for group in (1, 2, 4)
    ]
    assert kv_heads == [6, 3, 3]


def test_a_candidate_has_the_values_of_its_point(tmp_path: Path) -> None:
    candidate = build(
        load_space(write(tmp_path, WIDE)), num_layers=3, hidden_dim=128, head_dim=32, query_group_size=2,
        ffn_multiplier=3.0, vocab_size=1024, activation="swiglu", normalization="layernorm",
        position_encoding="alibi", tie_embeddings=False, qk_norm=False, dropout=0.1, lr_multiplier=1.5,
    )  # fmt: skip
    expected = ArchitectureConfig(
        num_layers=3, hidden_dim=128, num_heads=4, num_kv_heads=2, ffn_multiplier=3.0, activation="swiglu",
        normalization="layernorm", position_encoding="alibi", attention_dropout=0.1, residual_dropout=0.1,
        vocab_size=1024, max_seq_length=256, tie_embeddings=False, qk_norm=False,
    )  # fmt: skip
    assert candidate == Candidate(expected, "bpe-1024", 1.5)


def test_the_architecture_has_the_real_size_of_its_vocabulary() -> None:
    space = load_space("tiny")
    candidate = space.candidate(first_point(space) | {"vocab_size": 512}, {"bytes": 256, "bpe-512": 431})
    assert candidate.architecture.vocab_size == 431
    assert candidate.vocabulary == "bpe-512"


def test_a_point_may_leave_out_fixed_dimensions_and_no_searched_one(tmp_path: Path) -> None:
    fixed = load_space(write(tmp_path, SPACE)).candidate({}, {"bytes": 256})
    assert list(fixed.point) == list(SearchSection.model_fields)
    assert (fixed.point["num_layers"], fixed.point["ffn_multiplier"], fixed.point["qk_norm"]) == (1, 4.0, False)
    wide = load_space(write(tmp_path, WIDE))
    for name in SearchSection.model_fields:
        point = {key: value for key, value in first_point(wide).items() if key != name}
        with pytest.raises(KeyError, match=name):
            wide.candidate(point, {"bytes": 256})


def test_the_values_of_a_point_have_the_types_of_their_ranges(tmp_path: Path) -> None:
    point = build(load_space(write(tmp_path, WIDE)), num_layers=2.0, lr_multiplier=1).point
    assert {name: type(point[name]) for name in ("num_layers", "lr_multiplier", "qk_norm")} == {
        "num_layers": int, "lr_multiplier": float, "qk_norm": bool,
    }  # fmt: skip


def test_the_number_of_combinations_by_hand(tmp_path: Path) -> None:
    assert load_space(write(tmp_path, SPACE)).num_combinations == 1
    # layers x widths x vocabularies x head_dim x groups x ffn x activation x norm x position x tie x qk x dropout
    assert load_space(write(tmp_path, WIDE)).num_combinations == 4 * 2 * 2 * 2 * 3 * 2 * 3 * 2 * 2 * 2 * 2 * 2


def test_a_continuous_architecture_has_infinitely_many_combinations_but_a_learning_rate_adds_none(
    tmp_path: Path,
) -> None:
    continuous = with_search("ffn_multiplier = { min = 1.5, max = 4.0 }")
    assert load_space(write(tmp_path, continuous)).num_combinations == math.inf
    learning_rate = with_search("lr_multiplier = { min = 0.5, max = 2.0, log = true }")
    assert load_space(write(tmp_path, learning_rate)).num_combinations == 1


@pytest.mark.parametrize(
    ("given", "values", "is_integer"),
    [
        ({"min": 1, "max": 4}, [1, 2, 3, 4], True),
        ({"min": 64, "max": 160, "step": 32}, [64, 96, 128, 160], True),
        ({"min": 64, "max": 159, "step": 32}, [64, 96, 128], True),
        ({"min": 1, "max": 2, "step": 0.25}, [1, 1.25, 1.5, 1.75, 2], False),
        ({"min": 0, "max": 0.3, "step": 0.1}, [0, 0.1, 0.2, 0.3], False),
        ({"min": 0.5, "max": 2}, [0.5, 2], False),
        ({"min": 1, "max": 8, "log": True}, [1, 8], False),
        ({"min": 3, "max": 3}, [3], True),
    ],
)
def test_values_of_a_range(given: dict[str, Any], values: list[float], is_integer: bool) -> None:
    made = Range(**given)
    assert made.values() == pytest.approx(values)
    assert made.is_integer == is_integer


def test_the_distribution_of_a_range_ends_at_its_last_step(tmp_path: Path) -> None:
    """Optuna warns at every trial if no step reaches the end of a range."""
    text = SPACE.replace("hidden_dim = 32", "hidden_dim = { min = 32, max = 100, step = 32 }")
    text = text.replace("vocab_size", "dropout = { min = 0.1, max = 0.35, step = 0.1 }\nvocab_size")
    distributions = search_distributions(load_space(write(tmp_path, text)))
    assert distributions["hidden_dim"] == IntDistribution(32, 96, step=32)
    assert distributions["dropout"] == FloatDistribution(0.1, 0.3, step=0.1)


@pytest.mark.parametrize(
    ("max_seq_length", "completion_bytes", "expected"),
    [(256, 200, 56), (512, 200, 256), (64, 40, 24), (1024, 200, 256)],
)
def test_a_prompt_and_its_completion_fit_the_sequence(
    tmp_path: Path, max_seq_length: int, completion_bytes: int, expected: int
) -> None:
    text = SPACE.replace("= 256\nbatch_tokens = 512", f"= {max_seq_length}\nbatch_tokens = {max_seq_length}")
    space = load_space(write(tmp_path, f"{text}\n[evaluation]\ncompletion_bytes = {completion_bytes}\n"))
    assert space.prompt_bytes == expected


@pytest.mark.parametrize(
    ("value", "name"),
    [(256, "bytes"), (257, "bpe-257"), (50257, "bpe-50257"), (65_536, "bpe-65536"), ("char", "char"), ("gpt2", "gpt2")],
)
def test_vocabulary_names(value: Any, name: str) -> None:
    assert vocabulary_name(value) == name
    bpe_size(name)


def test_a_space_may_have_gpt2_and_sizes(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, SPACE.replace("vocab_size = 256", 'vocab_size = [512, "gpt2"]')))
    assert space.vocabulary_names == ["bpe-512", "gpt2"]
    sizes = {"bpe-512": 512, "gpt2": 50_257}
    candidate = space.candidate({"vocab_size": "gpt2"}, sizes)
    assert (candidate.vocabulary, candidate.architecture.vocab_size) == ("gpt2", 50_257)


@pytest.mark.parametrize("value", [255, 65_537, -1, True, 256.0, "bytes", None])
def test_other_vocabulary_sizes_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"vocab_size.*256.*65536"):
        vocabulary_name(value)


def test_steps_by_hand_and_rounded_down(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, SPACE))
    architecture = build(space).architecture
    # L1 H32, 1 head of 32, FFN x4 ungated: 4*32*32 + 2*32*128 = 12,288; head 256*32 = 8,192.
    # forward: 2*(12,288 + 8,192) + 4*256*32 = 73,728; training three times that, 512 tokens a step.
    flops_per_step = 3 * 73_728 * 512
    assert space.training.num_steps(architecture) == 1e9 // flops_per_step == 8
    exact = space.training.model_copy(update={"trial_flops": 9.0 * flops_per_step})
    assert exact.num_steps(architecture) == 9
    short = space.training.model_copy(update={"trial_flops": 9.0 * flops_per_step - 1})
    assert short.num_steps(architecture) == 8


def test_excess_is_a_share_of_each_limit(tmp_path: Path) -> None:
    limits = "\n[constraints]\nmax_params = 10_000\nmax_train_flops_per_token = 442_368\nmax_train_memory_gb = 1\n"
    space = load_space(write(tmp_path, SPACE + limits))
    architecture = build(space).architecture
    # Two token matrices of 256*32, 12,288 in the layer, three norms of 32.
    num_params = 2 * 8_192 + 12_288 + 96
    excess = space.excess(architecture)
    assert excess["max_params"] == pytest.approx(num_params / 10_000 - 1)
    assert excess["max_train_flops_per_token"] == pytest.approx(221_184 / 442_368 - 1) == -0.5
    assert excess["max_train_memory_gb"] == pytest.approx(architecture.train_memory_bytes(512) / 2**30 - 1)
    assert excess["trial_flops"] == pytest.approx(MIN_STEPS / 8 - 1)
    assert list(load_space(write(tmp_path, SPACE)).excess(architecture)) == ["trial_flops"]


def test_an_exportable_space_allows_only_architectures_with_a_class_of_transformers(
    tmp_path: Path,
) -> None:
    space = load_space(write(tmp_path, WIDE))
    plain = build(space, position_encoding="alibi").architecture
    assert "not_exportable" not in space.excess(plain)
    only = space.only_exportable()
    assert only.excess(plain)["not_exportable"] == 1
    assert only.excess(build(space, normalization="layernorm", qk_norm=True).architecture)["not_exportable"] == 1
    assert only.excess(build(space, normalization="layernorm", qk_norm=False).architecture)["not_exportable"] == 0
    assert only.model_copy(update={"constraints": space.constraints}) == space


@pytest.mark.parametrize(("value", "stored"), [("true", True), ("false", None)])
def test_a_space_file_can_set_exportable(tmp_path: Path, value: str, stored: bool | None) -> None:
    """False is stored as None: the study is the same."""
    space = load_space(write(tmp_path, f"{WIDE}[constraints]\nexportable = {value}\n"))
    assert space.constraints.exportable is stored
    assert load_space(write(tmp_path, WIDE)).constraints.exportable is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            'position_encoding = ["alibi", "learned"]',
            "gelu rmsnorm alibi exactly; use position_encoding rope",
        ),
        (
            'normalization = "layernorm"\nqk_norm = true',
            "gelu layernorm rope qk-norm exactly; use normalization rmsnorm, or qk_norm false",
        ),
        (
            'normalization = "layernorm"\nposition_encoding = "learned"\nhead_dim = 8\nquery_group_size = 2',
            "gelu layernorm learned with grouped queries exactly; use position_encoding rope, "
            "or num_kv_heads as many as num_heads, or num_kv_heads 1",
        ),
    ],
    ids=["positions", "qk-norm", "groups"],
)
def test_a_space_without_exportable_architectures_is_refused(tmp_path: Path, lines: str, reason: str) -> None:
    text = SPACE.replace("vocab_size = 256", f"vocab_size = 256\n{lines}")
    space = load_space(write(tmp_path, text))
    ending = f"is exportable: no class of transformers represents {reason}"
    with pytest.raises(SpaceError) as caught:
        space.only_exportable()
    assert str(caught.value).endswith(ending)
    with pytest.raises(SpaceError) as caught:
        load_space(write(tmp_path, f"{text}[constraints]\nexportable = true\n"))
    assert str(caught.value).endswith(ending)


@pytest.mark.parametrize("name", shipped_spaces())
def test_every_shipped_space_has_exportable_architectures(name: str) -> None:
    assert load_space(name).only_exportable().constraints.exportable


def test_a_budget_below_one_step_is_far_over_the_limit(tmp_path: Path) -> None:
    space = load_space(write(tmp_path, SPACE.replace("1e9", "1.0")))
    excess = space.excess(build(space).architecture)["trial_flops"]
    assert 1e6 < excess < math.inf


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        ("activation = 'gleu'", ("activation", "'gleu'", "did you mean 'gelu'?")),
        ("normalization = 'rms'", ("normalization", "'rms'")),
        ("position_encoding = ['rope', 1]", ("position_encoding", "'1'")),
        ("position_encoding = [['rope']]", ("position_encoding", "list", "['rope']")),
        ("activation = { min = 1, max = 2 }", ("activation", "'1.0'")),
        ("head_dim = 24", ("hidden_dim 32", "multiple of head_dim 24")),
        ("head_dim = 1", ("rope", "even head_dim", "1")),
        ("head_dim = 1.5", ("head_dim", "whole numbers of at least 1", "1.5")),
        ("head_dim = 0", ("head_dim", "whole numbers of at least 1", "0")),
        ("head_dim = { min = 8 }", ("head_dim", "min and max", "['min']")),
        ("head_dim = { min = 2, max = 1 }", ("head_dim", "min 2", "max 1")),
        ("num_layers = 0", ("num_layers", "whole numbers of at least 1", "0")),
        ("num_layers = true", ("num_layers", "numbers", "True")),
        ("num_layers = 2000", ("num_layers", "less than or equal to 1024", "2000")),
        ("num_layers = { min = 1, max = 8, log = true }", ("num_layers", "whole numbers", "log")),
        ("num_layers = { min = 1, max = 8, step = 0.5 }", ("num_layers", "whole numbers")),
        ("hidden_dim = { min = 32, max = 256, log = true }", ("hidden_dim", "whole numbers", "log")),
        ("hidden_dim = 131072", ("hidden_dim", "less than or equal to 65536", "131072")),
        ("query_group_size = -1", ("query_group_size", "whole numbers of at least 1", "-1")),
        ("ffn_multiplier = []", ("ffn_multiplier", "empty list")),
        ("ffn_multiplier = [2.0, 2.0]", ("ffn_multiplier", "[2.0, 2.0]")),
        ("ffn_multiplier = 'wide'", ("ffn_multiplier", "numbers", "'wide'")),
        ("ffn_multiplier = 0", ("ffn_multiplier", "positive", "0")),
        ("ffn_multiplier = 0.001", ("ffn_multiplier", "0.001", "feed-forward width")),
        ("ffn_multiplier = inf", ("ffn_multiplier", "numbers", "inf")),
        ("ffn_multiplier = 2020-01-01", ("ffn_multiplier", "a value, a list or a range", "datetime.date")),
        ("lr_multiplier = nan", ("lr_multiplier", "numbers", "nan")),
        ("lr_multiplier = -1", ("lr_multiplier", "positive", "-1")),
        ("lr_multiplier = { min = 1, max = inf }", ("lr_multiplier max", "finite number", "inf")),
        ("lr_multiplier = { min = 0, max = 1, log = true }", ("lr_multiplier", "log = true", "min > 0")),
        ("lr_multiplier = { min = 1, max = 2, step = 0 }", ("lr_multiplier", "step", "positive")),
        ("lr_multiplier = { min = 1, max = 2, step = 0.1, log = true }", ("lr_multiplier", "step", "log = true")),
        ("lr_multiplier = { min = 1, max = 2, stp = 1 }", ("lr_multiplier", "'stp'", "did you mean 'step'?")),
        ("lr_multiplier = { min = 'low', max = 2 }", ("lr_multiplier min", "number", "'low'")),
        ("dropout = 1.0", ("dropout", "[0, 1)", "1.0")),
        ("dropout = nan", ("dropout", "numbers", "nan")),
        ("qk_norm = 1", ("qk_norm", "true or false", "1")),
        ("tie_embeddings = [true, 'no']", ("tie_embeddings", "true or false", "'no'")),
        ("vocab_size = 255", ("vocab_size", "256", "65536", '"char"', '"gpt2"', "255")),
        ("vocab_size = 'chars'", ("vocab_size", "256", "65536", '"char"', '"gpt2"', "'chars'")),
        ("vocab_size = { min = 256, max = 512 }", ("vocab_size", "list of sizes, not a range")),
    ],
)  # fmt: skip
def test_a_bad_dimension_is_an_error_of_one_line_that_names_it(
    tmp_path: Path, line: str, facts: tuple[str, ...]
) -> None:
    with pytest.raises(SpaceError) as caught:
        load_space(write(tmp_path, with_search(line)))
    text = str(caught.value)
    assert text.startswith("mine.toml search: ")
    assert [fact for fact in facts if fact not in text] == [], text
    assert "\n" not in text
    assert text.count("found") <= 1


def test_sinusoidal_positions_need_an_even_width(tmp_path: Path) -> None:
    text = with_search("position_encoding = 'sinusoidal'\nhead_dim = 3").replace("hidden_dim = 32", "hidden_dim = 33")
    with pytest.raises(SpaceError, match=r"^mine.toml search: sinusoidal .*even hidden_dim.*33"):
        load_space(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[search]", "[serch]", "mine.toml: unknown section 'serch'; did you mean 'search'?"),
        ("[search]", "name = 'x'\n[search]", "mine.toml: unknown section 'name'"),
        ("num_layers", "num_layer", "mine.toml: [search] unknown key 'num_layer'; did you mean 'num_layers'?"),
        ("batch_tokens", "batch_token", "mine.toml: [training] unknown key 'batch_token'; did you mean"),
        ("vocab_size = 256\n", "", "mine.toml search.vocab_size: field required"),
        ("trial_flops = 1e9", "", "mine.toml training.trial_flops: field required"),
        ("1e9", "inf", "mine.toml training.trial_flops: input should be a finite number, found inf"),
        ("1e9", "0", "mine.toml training.trial_flops: input should be greater than 0, found 0"),
        ("512", "500", "mine.toml training: batch_tokens 500 is not a multiple of max_seq_length 256"),
        ("= 256\nbatch", "= 4\nbatch", "mine.toml training.max_seq_length: input should be greater than or equal to 8"),
        ("= 256\nbatch", "= 208\nbatch", "mine.toml training: batch_tokens 512 is not a multiple of"),
        ("512", "512\n[evaluation]\ncompletion_bytes = 250", "mine.toml: completion_bytes 250 leaves 6 bytes"),
        ("512", "512\n[evaluation]\ncollapse_weight = inf", "mine.toml evaluation.collapse_weight: input should"),
        ("512", "512\n[evaluation]\nnum_prompts = 0", "mine.toml evaluation.num_prompts: input should be greater"),
        ("512", "512\n[constraints]\nmax_params = -1", "mine.toml constraints.max_params: input should be"),
        ("512", "512\n[constraints]\nmax_param = 1", "mine.toml: [constraints] unknown key 'max_param'; did you mean"),
        (SPACE, "search = 3", "mine.toml: [search] must be a section of keys, found 3"),
        (SPACE, "", "mine.toml search: field required"),
        ("[training]", "[training", "cannot read search space"),
    ],
)  # fmt: skip
def test_a_bad_file_is_an_error_of_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        load_space(write(tmp_path, SPACE.replace(old, new)))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bse", "unknown search space 'bse'; did you mean 'base'? (allowed: base, char, gpu, origin, tiny)"),
        ("nope.toml", "no search space at nope.toml; give a TOML file or one of: base, char, gpu, origin, tiny"),
        ("no/such", "no search space at no/such; give a TOML file"),
    ],
)
def test_an_unknown_space_is_an_error_that_names_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        load_space(name)
    assert str(caught.value).startswith(message)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SpaceError, match=r"^cannot read search space .*latin.toml: "):
        load_space(str(tmp_path / "latin.toml"))


def test_the_vocabularies_of_a_space_can_be_prepared(data: PreparedData) -> None:
    space = load_space("tiny")
    assert space.vocabulary_names == list(data.vocabulary_names)
    for value in (256, 512):
        candidate = space.candidate(first_point(space) | {"vocab_size": value}, data.vocabulary_sizes)
        assert candidate.architecture.vocab_size == data.vocabulary(candidate.vocabulary).size == value


def test_the_characters_of_the_corpus_decide_the_size_of_char(data: PreparedData, corpus_folder: Path) -> None:
    prepared = prepare_data(str(corpus_folder), ["char"], progress=lambda line: None)
    assert prepared.folder == data.folder
    space = load_space("char")
    candidate = space.candidate(first_point(space), prepared.vocabulary_sizes)
    assert candidate.architecture.vocab_size == prepared.vocabulary("char").size >= 256
