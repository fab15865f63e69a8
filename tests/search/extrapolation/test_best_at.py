from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from nas.scaling_law.fitted import ScalingLaw
from nas.search.extrapolation.at_target import compare_at_target
from nas.search.extrapolation.best_at import VocabularyFacts, best_at, grid_of, training_at
from nas.space.search_space import Candidate, SearchSpace
from tests.helpers.laws import law_of
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


class Fixed:
    """A trial that answers what it was given, by name."""

    def __init__(self, **values: object) -> None:
        self.values = values

    def suggest_categorical(self, name: str, choices: object) -> object:
        return self.values[name]

    suggest_int = suggest_float = lambda self, name, low, high, **options: self.values[name]


def every_candidate(space: SearchSpace) -> list[Candidate]:
    """4 x 8 x 3 x 2 x 5 points, the legal ones."""
    found = []
    shapes = itertools.product([1, 2, 3, 6], range(32, 257, 32), VOCABULARIES, ["rope", "alibi"])
    for (layers, hidden, vocabulary, position), rate in itertools.product(shapes, [0.5, 2**-0.25, 1.0, 2**0.5, 2.0]):
        size = int(vocabulary.removeprefix("bpe-"))
        values = {"num_layers": layers, "hidden_dim": hidden, "vocab_size": size, "position_encoding": position}
        sizes = {name: facts.num_tokens for name, facts in VOCABULARIES.items()}
        candidate = space.suggest(Fixed(**values, lr_multiplier=rate), sizes)  # type: ignore[arg-type]
        if max(space.excess(candidate.architecture).values()) <= 0:
            found.append(candidate)
    return found


@pytest.mark.parametrize("corpus_bytes", [1e6, 1e15])
@pytest.mark.parametrize("target_flops", [1e11, 1e13, 1e15])
def test_the_best_by_a_known_law_is_that_of_brute_force(
    target_flops: float, corpus_bytes: float, tmp_path: Path
) -> None:
    space, law = space_of(SMALL, tmp_path), law_of(corpus_bytes, **EFFECTS)
    best = min(every_candidate(space), key=lambda one: predicted(law, one, target_flops))
    found = best_at(space, law, target_flops, VOCABULARIES)
    assert found is not None
    assert (found.architecture, found.vocabulary) == (best.architecture, best.vocabulary)
    assert found.lr_multiplier == pytest.approx(2**-0.25)
    assert best_at(space, law, target_flops, VOCABULARIES) == found


def test_a_small_corpus_asks_for_a_larger_model(tmp_path: Path) -> None:
    """What is read again teaches little, so FLOPs are better spent on size, unless that needs more text itself."""
    space = space_of(SMALL, tmp_path)
    sizes = []
    for corpus_bytes in (1e4, 1e15):
        found = best_at(space, law_of(corpus_bytes, alpha=0.3, kappa=0.05, delta=0.05), 3e12, VOCABULARIES)
        assert found is not None
        sizes.append(found.architecture.non_embedding_params)
    assert sizes[0] > sizes[1]


def test_what_is_best_without_limits_is_not_taken_over_them(tmp_path: Path) -> None:
    """At 1e15 FLOPs the largest model of the space would be best, twice over the limit."""
    free = best_at(space_of(SMALL.replace("1_500_000", "1e9"), tmp_path), law_of(), 1e15, VOCABULARIES)
    found = best_at(space_of(SMALL, tmp_path), law_of(), 1e15, VOCABULARIES)
    assert free is not None and found is not None
    assert free.architecture.num_params > 1_500_000 >= found.architecture.num_params


def test_a_space_without_a_legal_point_has_no_best(tmp_path: Path) -> None:
    assert best_at(space_of(SMALL.replace("1_500_000", "1_000"), tmp_path), law_of(), 1e13, VOCABULARIES) is None


def test_the_bytes_that_flops_buy_by_hand(tmp_path: Path) -> None:
    shape = every_candidate(space_of(SMALL, tmp_path))[0].architecture
    # L1 H32, no gate: 12 x 32 x 32 weights and 512 x 32 of the head, 4 x 64 x 32 of attention: three times the sum.
    per_token = 3 * (2 * (12 * 32 * 32 + 512 * 32) + 4 * 64 * 32)
    assert shape.train_flops_per_token() == per_token
    assert training_at(shape, 1.0, 1e10, 2.1).train_bytes == pytest.approx(1e10 / per_token * 2.1)


def test_a_continuous_range_is_looked_at_in_even_ratios(tmp_path: Path) -> None:
    values = grid_of(space_of(SMALL, tmp_path).search.lr_multiplier)
    assert (values[0], values[len(values) // 2], values[-1]) == pytest.approx((0.5, 1.0, 2.0))
    assert values[1] / values[0] == pytest.approx(values[-1] / values[-2])
    linear = space_of(SMALL.replace("2.0, log = true", "2.0"), tmp_path, "linear").search.lr_multiplier
    assert grid_of(linear)[len(values) // 2] == pytest.approx(1.25)


def test_the_verdict_at_a_target_sets_the_searched_beside_the_predicted_best(tmp_path: Path) -> None:
    space, law = space_of(SMALL, tmp_path), law_of(**EFFECTS)
    searched = best_at(space, law, 1e11, VOCABULARIES)
    assert searched is not None
    found = compare_at_target(1e15, searched, space, law, VOCABULARIES)
    assert found.best.predicted.bpb == pytest.approx(predicted(law, _candidate(found.best), 1e15))
    assert found.searched.architecture == searched.architecture
    assert found.searched.predicted.bpb == pytest.approx(predicted(law, searched, 1e15))
    assert found.best.predicted.bpb < found.searched.predicted.bpb
    assert found.chance > 2 / 3 and found.holds


def test_a_verdict_hardly_better_than_a_coin_is_said_to_be(tmp_path: Path) -> None:
    """Only the learning rate is off: 0.03 x 0.25^2 in log bpb, where each is off by 0.05 and more."""
    space, law = space_of(SMALL, tmp_path), law_of(**EFFECTS)
    best = best_at(space, law, 1e13, VOCABULARIES)
    assert best is not None
    near = Candidate(best.architecture, best.vocabulary, 1.0)
    found = compare_at_target(1e13, near, space, law, VOCABULARIES)
    assert found.best.architecture == near.architecture
    assert found.shortcomings == ("at 1e+13 FLOPs the chance that the predicted best is the better one is 51% only",)


def test_whether_the_predicted_best_keeps_to_a_measured_limit_is_a_doubt(tmp_path: Path) -> None:
    space, law = space_of(SMALL.replace("max_params", "max_decode_ms_per_token = 9\nmax_params"), tmp_path), law_of()
    searched = best_at(space, law, 1e11, VOCABULARIES)
    assert searched is not None
    found = compare_at_target(1e15, searched, space, law, VOCABULARIES)
    assert found.shortcomings == (
        "whether the predicted best keeps within max_decode_ms_per_token shows only when it is trained",
    )


def test_a_searched_best_that_no_other_beats_is_the_predicted_best_too(tmp_path: Path) -> None:
    """Between two values of the grid, at the very best rate: 2^-0.3 here."""
    space = space_of(SMALL, tmp_path)
    law = law_of(**EFFECTS | {"lr": 0.018})
    best = best_at(space, law, 1e13, VOCABULARIES)
    assert best is not None
    exact = Candidate(best.architecture, best.vocabulary, 2**-0.3)
    found = compare_at_target(1e13, exact, space, law, VOCABULARIES)
    assert found.best == found.searched
    assert found.chance == pytest.approx(0.5) and found.holds


def test_the_shortcomings_of_a_law_are_those_of_its_verdict(tmp_path: Path) -> None:
    space = space_of(SMALL, tmp_path)
    law = law_of().model_copy(update={"shortcomings": ("7 trials are few: 20 at least",)})
    searched = every_candidate(space)[0]
    found = compare_at_target(1e15, searched, space, law, VOCABULARIES)
    assert found.shortcomings == law.shortcomings and not found.holds
    assert math.isfinite(found.best.train_bytes)


def _candidate(choice: object) -> Candidate:
    return Candidate(choice.architecture, choice.vocabulary, choice.lr_multiplier)  # type: ignore[attr-defined]
