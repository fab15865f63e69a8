from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from pydantic import ValidationError

from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.fitted_law import ScalingLaw
from nas.scaling_law.law import EFFECTS, FEATURES, TrainingPoint, effective_bytes, features
from tests.helpers.laws import make_law, make_parameters

SHAPE = ArchitectureConfig.parse(
    {
        "num_layers": 2, "hidden_dim": 64, "num_heads": 8, "num_kv_heads": 2, "ffn_multiplier": 3.0,
        "activation": "swiglu", "normalization": "rmsnorm", "position_encoding": "rope", "vocab_size": 2048,
        "max_seq_length": 256, "tie_embeddings": True,
    }
)  # fmt: skip
FEED_FORWARD, MATRICES = 3 * 64 * 192, 2 * 64 * 64 + 2 * 64 * 16 + 3 * 64 * 192


def training(train_flops: float = 4e12, train_bytes: float = 2e6, lr_multiplier: float = 1.0) -> TrainingPoint:
    return TrainingPoint(SHAPE, lr_multiplier, train_flops, train_bytes)


def by_hand(train_bytes: float) -> float:
    """Return bits per byte by the formula, with the figures of tests/helpers/laws.py."""
    size = 0.5 * (64 / 128) ** -0.6 * (2 / 4) ** -0.3
    vocabulary = 0.2 * (2048 / 4096) ** -0.5 * (64 / 128) ** -0.2 * (train_bytes / 1e6) ** -0.1
    data = 0.8 * (64 / 128) ** 0.3 * (train_bytes / 1e6) ** -0.25
    return 0.4 + size + vocabulary + data


@pytest.mark.parametrize(
    ("train_bytes", "effective"),
    [
        (50, 50.0),
        (100, 100.0),
        # Three repetitions: 100 + 100 x 15.387756 x (1 - exp(-3 / 15.387756)), the exponential being 0.8228...
        (400, 100 + 1538.7756 * (1 - math.exp(-3 / 15.387756))),
        (1e9, 100 + 1538.7756),
    ],
)
def test_repeated_bytes_teach_less_and_less(train_bytes: float, effective: float) -> None:
    assert effective_bytes(train_bytes, 100) == pytest.approx(effective)


def test_four_passes_are_nearly_four_corpora() -> None:
    assert 3.7 < effective_bytes(400, 100) / 100 < 3.8


def test_the_features_of_an_architecture_by_hand() -> None:
    values = dict(zip(FEATURES, features([training(lr_multiplier=0.5)], 1e9)[0], strict=True))
    assert (values["log_H"], values["log_L"]) == (math.log(64), math.log(2))
    assert values["log_V"] == pytest.approx(math.log(2048))
    assert values["log_D"] == pytest.approx(math.log(2e6))
    assert {name for name, value in values.items() if "=" in name and value} == {
        "activation=swiglu", "normalization=rmsnorm", "position_encoding=rope",
    }  # fmt: skip
    assert (values["tie_embeddings"], values["qk_norm"], values["dropout"]) == (1, 0, 0)
    assert (values["query_group"], values["head_dim"]) == (2, 3)  # log2 of 8 / 2 and of 64 / 8
    assert values["ffn_share"] == pytest.approx(5 * FEED_FORWARD / MATRICES)
    assert (values["lr"], values["lr_squared"]) == (-1, 1)


def test_a_prediction_is_the_formula() -> None:
    assert make_law().predict(SHAPE, 1.0, 2e6) == pytest.approx(by_hand(2e6))


def test_other_choices_multiply_it() -> None:
    law = make_law(**{"position_encoding=rope": -0.1, "position_encoding=none": 0.5, "lr_squared": 0.02})
    assert law.predict(SHAPE, 4.0, 2e6) == pytest.approx(by_hand(2e6) * math.exp(-0.1 + 4 * 0.02))


def test_a_corpus_read_again_counts_by_its_effective_bytes() -> None:
    assert make_law(corpus_bytes=1e6).predict(SHAPE, 1.0, 4e6) == pytest.approx(by_hand(effective_bytes(4e6, 1e6)))


@pytest.mark.parametrize(("train_flops", "growth"), [(1e12, 1), (4e12, 1), (4e13, 1), (4e16, 4)])
def test_an_interval_widens_with_the_distance_in_log_flops(train_flops: float, growth: float) -> None:
    """The error was 5% at ten times the FLOPs; at 10^4 times it is four times as much."""
    interval = make_law().interval(training(train_flops))
    assert interval.bpb == pytest.approx(by_hand(2e6))
    half = NormalDist().inv_cdf(0.95) * 0.05 * growth
    assert math.log(interval.high / interval.bpb) == pytest.approx(half, rel=1e-3)
    assert math.log(interval.bpb / interval.low) == pytest.approx(half, rel=1e-3)


def test_an_interval_covers_the_spread_of_the_draws() -> None:
    """Half of the draws lie 0.08 above the law, half on it: RMS 0.08 / sqrt 2, added to noise of 0.05."""
    law = make_law()
    shifted = make_parameters(tie_embeddings=0.08)
    interval = law.model_copy(update={"draws": (law.parameters, shifted)}).interval(training())
    assert math.log(interval.high / interval.bpb) == pytest.approx(
        NormalDist().inv_cdf(0.95) * math.hypot(0.08 / math.sqrt(2), 0.05), rel=1e-3
    )


def test_the_probability_that_one_beats_another() -> None:
    """They are 0.08 apart, and each has an independent error of 0.05."""
    law = make_law(lr=0.08)
    better, worse = training(lr_multiplier=1.0), training(lr_multiplier=2.0)
    expected = NormalDist().cdf(0.08 / (0.05 * math.sqrt(2)))
    assert law.win_probability(better, worse) == pytest.approx(expected)
    assert law.win_probability(worse, better) == pytest.approx(1 - expected)
    assert law.win_probability(better, better) == pytest.approx(0.5)


def test_a_shift_of_both_does_not_change_the_probability() -> None:
    law = make_law(lr=0.08)
    draws = tuple(make_parameters(lr=0.08, tie_embeddings=effect) for effect in (-0.5, 0.5))
    shifted = law.model_copy(update={"draws": draws})
    better, worse = training(), training(lr_multiplier=2.0)
    assert shifted.win_probability(better, worse) == pytest.approx(law.win_probability(better, worse))


def test_a_law_is_the_same_after_a_round_trip_through_json() -> None:
    law = make_law()
    assert ScalingLaw.model_validate_json(law.model_dump_json()) == law
    assert law.describe() == (
        "0.40 + 0.50 (H / 128)^-0.60 (L / 4)^-0.30 + 0.20 (V / 4096)^-0.50 (H / 128)^-0.20 (D / 1e+06)^-0.10"
        " + 0.80 (H / 128)^0.30 (D / 1e+06)^-0.25"
    )


@pytest.mark.parametrize("key", ["centre", "parameters", "draws"])
def test_a_law_of_other_parameters_is_refused(key: str) -> None:
    values = make_law().model_dump()
    values[key] = [[0.0, 1.0]] if key == "draws" else [0.0, 1.0]
    with pytest.raises(ValidationError, match="in every draw too"):
        ScalingLaw.model_validate(values)


def test_a_law_with_shortcomings_is_not_trusted() -> None:
    assert make_law().is_trusted
    assert not make_law().model_copy(update={"shortcomings": ("few trials",)}).is_trusted


def test_a_law_fitted_before_an_effect_existed_predicts_the_same_without_it() -> None:
    """Simulate a later addition of `activation=silu`: predictions of other architectures do not change."""
    law = make_law(**{"activation=gelu": 0.1, "qk_norm": -0.2})
    place = EFFECTS.index("activation=silu")
    stored = law.model_dump(mode="json")
    for values in (stored["centre"], stored["parameters"], *stored["draws"]):
        del values[len(values) - len(EFFECTS) + place]
    del stored["effects"][place]
    assert ScalingLaw.model_validate(stored) == law


def test_a_law_with_an_effect_that_is_gone_is_refused() -> None:
    stored = make_law().model_dump(mode="json")
    stored["effects"][0] = "activation=tanh"
    with pytest.raises(ValidationError, match=r"not know: activation=tanh"):
        ScalingLaw.model_validate(stored)
