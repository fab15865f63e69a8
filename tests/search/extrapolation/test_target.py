from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from nas.scaling_law.fitted_law import ScalingLaw
from nas.search.extrapolation.predicted_best import VocabularyFacts, find_predicted_best, grid_values, training_point
from nas.search.extrapolation.target import compare_at_target
from nas.space.search_space import Candidate, SearchSpace
from tests.helpers.laws import make_law
from tests.helpers.spaces import space_of

SMALL = """
[search]
num_layers = [1, 2, 3, 6]
hidden_dim = { min = 32, max = 256, step = 32 }
head_dim = 16
vocab_size = [512, 2048, 8192]
position_encoding = ["rope", "alibi"]
lr_multiplier = { min = 0.5, max = 2.0, log = true }
[constraints]
max_params = 1_500_000
[training]
trial_flops = 1e13
max_seq_length = 64
batch_tokens = 512
[evaluation]
validation_bytes = 8_192
num_prompts = 8
completion_bytes = 40
"""
VOCABULARIES = {
    "bpe-512": VocabularyFacts(512, 2.1),
    "bpe-2048": VocabularyFacts(2048, 3.2),
    "bpe-8192": VocabularyFacts(8192, 3.9),
}
EFFECTS = {"position_encoding=rope": -0.02, "lr_squared": 0.03, "lr": 0.015}  # best at 2^-0.25


def predicted(law: ScalingLaw, candidate: Candidate, target_flops: float) -> float:
    tokens = target_flops / candidate.architecture.train_flops_per_token(64)
    num_bytes = tokens * VOCABULARIES[candidate.vocabulary].bytes_per_token
    return law.predict(candidate.architecture, candidate.lr_multiplier, num_bytes)


def every_candidate(space: SearchSpace) -> list[Candidate]:
    """Return the legal ones of 4 x 8 x 3 x 2 x 5 points."""
    legal = []
    shapes = itertools.product([1, 2, 3, 6], range(32, 257, 32), VOCABULARIES, ["rope", "alibi"])
    for (layers, hidden, vocabulary, position), rate in itertools.product(shapes, [0.5, 2**-0.25, 1.0, 2**0.5, 2.0]):
        size = int(vocabulary.removeprefix("bpe-"))
        values = {"num_layers": layers, "hidden_dim": hidden, "vocab_size": size, "position_encoding": position}
        sizes = {name: facts.num_tokens for name, facts in VOCABULARIES.items()}
        candidate = space.candidate({**values, "lr_multiplier": rate}, sizes)
        if max(space.excess(candidate.architecture).values()) <= 0:
            legal.append(candidate)
    return legal


@pytest.mark.parametrize("corpus_bytes", [1e6, 1e15])
@pytest.mark.parametrize("target_flops", [1e11, 1e13, 1e15])
def test_the_best_by_a_known_law_is_that_of_brute_force(
    target_flops: float, corpus_bytes: float, tmp_path: Path
) -> None:
    space, law = space_of(SMALL, tmp_path), make_law(corpus_bytes, **EFFECTS)
    expected = min(every_candidate(space), key=lambda candidate: predicted(law, candidate, target_flops))
    best = find_predicted_best(space, law, target_flops, VOCABULARIES)
    assert best is not None
    assert (best.architecture, best.vocabulary) == (expected.architecture, expected.vocabulary)
    assert best.lr_multiplier == pytest.approx(2**-0.25)
    assert find_predicted_best(space, law, target_flops, VOCABULARIES) == best


def test_a_small_corpus_favours_a_larger_model(tmp_path: Path) -> None:
    """Repeated text teaches little, so FLOPs are better spent on size, unless a larger model needs more text."""
    space = space_of(SMALL, tmp_path)
    sizes = []
    for corpus_bytes in (1e4, 1e15):
        best = find_predicted_best(space, make_law(corpus_bytes, alpha=0.3, kappa=0.05, delta=0.05), 3e12, VOCABULARIES)
        assert best is not None
        sizes.append(best.architecture.non_embedding_params)
    assert sizes[0] > sizes[1]


def test_the_predicted_best_satisfies_the_limits(tmp_path: Path) -> None:
    """At 1e15 FLOPs the best model without limits has twice the allowed parameters."""
    free = find_predicted_best(space_of(SMALL.replace("1_500_000", "1e9"), tmp_path), make_law(), 1e15, VOCABULARIES)
    best = find_predicted_best(space_of(SMALL, tmp_path), make_law(), 1e15, VOCABULARIES)
    assert free is not None and best is not None
    assert free.architecture.num_params > 1_500_000 >= best.architecture.num_params


def test_a_space_without_a_legal_point_has_no_best(tmp_path: Path) -> None:
    assert (
        find_predicted_best(space_of(SMALL.replace("1_500_000", "1_000"), tmp_path), make_law(), 1e13, VOCABULARIES)
        is None
    )


def test_the_bytes_that_flops_buy_by_hand(tmp_path: Path) -> None:
    shape = every_candidate(space_of(SMALL, tmp_path))[0].architecture
    # L1 H32, no gate: 12 x 32 x 32 weights and 512 x 32 of the head, 4 x 64 x 32 of attention: three times the sum.
    per_token = 3 * (2 * (12 * 32 * 32 + 512 * 32) + 4 * 64 * 32)
    assert shape.train_flops_per_token() == per_token
    assert training_point(shape, 1.0, 1e10, 2.1).train_bytes == pytest.approx(1e10 / per_token * 2.1)


def test_the_grid_of_a_logarithmic_range_has_even_ratios(tmp_path: Path) -> None:
    values = grid_values(space_of(SMALL, tmp_path).search.lr_multiplier)
    assert (values[0], values[len(values) // 2], values[-1]) == pytest.approx((0.5, 1.0, 2.0))
    assert values[1] / values[0] == pytest.approx(values[-1] / values[-2])
    linear = space_of(SMALL.replace("2.0, log = true", "2.0"), tmp_path, "linear").search.lr_multiplier
    assert grid_values(linear)[len(values) // 2] == pytest.approx(1.25)


def test_the_searched_and_the_predicted_best_are_compared_at_the_target(tmp_path: Path) -> None:
    space, law = space_of(SMALL, tmp_path), make_law(**EFFECTS)
    searched = find_predicted_best(space, law, 1e11, VOCABULARIES)
    assert searched is not None
    comparison = compare_at_target(1e15, searched, space, law, VOCABULARIES)
    assert comparison.best.predicted.bpb == pytest.approx(predicted(law, _candidate(comparison.best), 1e15))
    assert comparison.searched.architecture == searched.architecture
    assert comparison.searched.predicted.bpb == pytest.approx(predicted(law, searched, 1e15))
    assert comparison.best.predicted.bpb < comparison.searched.predicted.bpb
    assert comparison.win_probability > 2 / 3 and comparison.is_trusted


def test_a_probability_near_one_half_is_a_shortcoming(tmp_path: Path) -> None:
    """Only the learning rate differs: 0.03 x 0.25^2 in log bpb, while each has an error of 0.05 or more."""
    space, law = space_of(SMALL, tmp_path), make_law(**EFFECTS)
    best = find_predicted_best(space, law, 1e13, VOCABULARIES)
    assert best is not None
    near = Candidate(best.architecture, best.vocabulary, 1.0)
    comparison = compare_at_target(1e13, near, space, law, VOCABULARIES)
    assert comparison.best.architecture == near.architecture
    (shortcoming,) = comparison.shortcomings
    assert "1e+13 FLOPs" in shortcoming and "only 51%" in shortcoming


def test_a_measured_limit_is_a_shortcoming_because_it_is_not_predicted(tmp_path: Path) -> None:
    space, law = space_of(SMALL.replace("max_params", "max_decode_ms_per_token = 9\nmax_params"), tmp_path), make_law()
    searched = find_predicted_best(space, law, 1e11, VOCABULARIES)
    assert searched is not None
    comparison = compare_at_target(1e15, searched, space, law, VOCABULARIES)
    (shortcoming,) = comparison.shortcomings
    assert "unknown whether it satisfies max_decode_ms_per_token" in shortcoming


def test_a_searched_best_that_is_not_beaten_is_the_predicted_best_too(tmp_path: Path) -> None:
    """Its learning rate lies between two values of the grid, at the optimum: 2^-0.3 here."""
    space = space_of(SMALL, tmp_path)
    law = make_law(**EFFECTS | {"lr": 0.018})
    best = find_predicted_best(space, law, 1e13, VOCABULARIES)
    assert best is not None
    exact = Candidate(best.architecture, best.vocabulary, 2**-0.3)
    comparison = compare_at_target(1e13, exact, space, law, VOCABULARIES)
    assert comparison.best == comparison.searched
    assert comparison.win_probability == pytest.approx(0.5) and comparison.is_trusted


def test_the_shortcomings_of_a_law_are_those_of_the_comparison(tmp_path: Path) -> None:
    space = space_of(SMALL, tmp_path)
    law = make_law().model_copy(update={"shortcomings": ("7 trials are few: 20 at least",)})
    searched = every_candidate(space)[0]
    comparison = compare_at_target(1e15, searched, space, law, VOCABULARIES)
    assert comparison.shortcomings == law.shortcomings and not comparison.is_trusted
    assert math.isfinite(comparison.best.train_bytes)


def _candidate(choice: object) -> Candidate:
    return Candidate(choice.architecture, choice.vocabulary, choice.lr_multiplier)  # type: ignore[attr-defined]
