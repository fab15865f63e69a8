from __future__ import annotations

from collections import Counter
from typing import Any

from experiments.signal.design import spread_candidates
from nas.space.search_space import SearchSpace

SIZES = {"bytes": 256, "bpe-512": 512, "bpe-1024": 1024}


def space(max_params: float | None = None, **search: Any) -> SearchSpace:
    values: dict[str, Any] = {
        "num_layers": {"min": 1, "max": 4},
        "hidden_dim": {"min": 16, "max": 64, "step": 16},
        "vocab_size": [256, 512, 1024],
        "head_dim": [8, 16],
        "tie_embeddings": [True, False],
        "lr_multiplier": {"min": 0.5, "max": 2.0, "log": True},
    }
    training = {"trial_flops": 1e12, "max_seq_length": 256, "batch_tokens": 1024}
    constraints = {"max_params": max_params}
    return SearchSpace.model_validate(
        {"name": "spread", "search": values | search, "training": training, "constraints": constraints}
    )


def test_every_value_of_every_dimension_comes_equally_often() -> None:
    shapes = [candidate.architecture for candidate in spread_candidates(space(), SIZES, 12)]
    assert len({shape.id for shape in shapes}) == 12
    assert Counter(shape.num_layers for shape in shapes) == {1: 3, 2: 3, 3: 3, 4: 3}
    assert Counter(shape.hidden_dim for shape in shapes) == {16: 3, 32: 3, 48: 3, 64: 3}
    assert Counter(shape.vocab_size for shape in shapes) == {256: 4, 512: 4, 1024: 4}
    assert Counter(shape.tie_embeddings for shape in shapes) == {True: 6, False: 6}


def test_a_logarithmic_range_is_cut_by_ratio() -> None:
    rates = sorted(candidate.lr_multiplier for candidate in spread_candidates(space(), SIZES, 8))
    assert all(0.5 * 4 ** (index / 8) <= rate <= 0.5 * 4 ** ((index + 1) / 8) for index, rate in enumerate(rates))


def test_the_same_space_gives_the_same_candidates() -> None:
    assert spread_candidates(space(), SIZES, 6) == spread_candidates(space(), SIZES, 6)


def test_no_candidate_is_over_a_limit() -> None:
    def largest(searched: SearchSpace) -> int:
        return max(candidate.architecture.num_params for candidate in spread_candidates(searched, SIZES, 12))

    assert largest(space(max_params=60_000)) <= 60_000 < largest(space())
