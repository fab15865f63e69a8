from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from nas.architecture.config import ArchitectureConfig
from nas.records.holdout_comparison import compare_finalists
from nas.records.study import HoldoutResult
from nas.records.trial import Metrics


def result(number: int, seed: int, bpb: float, greedy: float = 0.0) -> HoldoutResult:
    metrics = Metrics(
        bpb=bpb,
        perplexity=2.0,
        num_bytes=100,
        num_prompts=10,
        sampled_collapse_rate=0.0,
        greedy_collapse_rate=greedy,
        collapse_rules={},
    )
    return HoldoutResult(number=number, seed=seed, fitness=bpb, metrics=metrics)


def table(**rows: list[float]) -> list[HoldoutResult]:
    return [result(int(name[1:]), seed, bpb) for name, row in rows.items() for seed, bpb in enumerate(row)]


def sized(**widths: int) -> dict[int, ArchitectureConfig]:
    return {
        int(name[1:]): ArchitectureConfig(
            num_layers=1, hidden_dim=width, num_heads=1, ffn_multiplier=1, vocab_size=256, max_seq_length=8
        )
        for name, width in widths.items()
    }


def test_two_finalists_are_compared_by_a_paired_t_test() -> None:
    first, second = [1.50, 1.52, 1.48], [1.55, 1.54, 1.56]
    comparison = compare_finalists(table(t1=second, t2=first), sized(t1=8, t2=8), 0.25)
    assert comparison is not None
    expected = stats.ttest_rel(first, second)
    assert [finalist.number for finalist in comparison.finalists] == [2, 1]
    assert comparison.finalists[1].p_value == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert comparison.finalists[1].half_width == pytest.approx((high - low) / 2)
    assert comparison.finalists[1].gap == pytest.approx(0.05)


def test_the_variance_is_pooled_over_all_finalists_and_p_values_are_adjusted_by_holm() -> None:
    """Compare with an analysis of variance by hand: the sum of squares of the residuals after rows and columns."""
    rows = {"t1": [1.0, 1.1, 1.2], "t2": [1.3, 1.35, 1.46], "t3": [1.05, 1.2, 1.23]}
    values = np.array(list(rows.values()))
    fitted = values.mean(1)[:, None] + values.mean(0)[None] - values.mean()
    error = np.sqrt(((values - fitted) ** 2).sum() / 4 * 2 / 3)
    plain = {n: 2 * stats.t.sf((values[n - 1].mean() - 1.1) / error, 4) for n in (2, 3)}
    comparison = compare_finalists(table(**rows), sized(t1=8, t2=8, t3=8), 0.25)
    assert comparison is not None
    p_values = {finalist.number: finalist.p_value for finalist in comparison.finalists}
    assert p_values == {1: None, 2: pytest.approx(2 * plain[2]), 3: pytest.approx(max(2 * plain[2], plain[3]))}


def test_the_smallest_of_the_finalists_that_do_not_differ_is_chosen() -> None:
    rows = {"t1": [1.50, 1.60, 1.55], "t2": [1.58, 1.53, 1.57], "t3": [2.50, 2.60, 2.55]}
    comparison = compare_finalists(table(**rows), sized(t1=64, t2=32, t3=8), 0.25)
    assert comparison is not None
    assert (comparison.best.number, comparison.chosen) == (1, 2)
    assert re.search(r"trial 1 \(\+0\.010 in fitness, p = 0\.\d\d\)", comparison.reason)
    assert [finalist.is_worse for finalist in comparison.finalists] == [False, False, True]


def test_a_clear_winner_is_chosen_even_if_it_is_larger() -> None:
    rows = {"t1": [1.50, 1.51, 1.49], "t2": [1.70, 1.71, 1.68]}
    comparison = compare_finalists(table(**rows), sized(t1=64, t2=32), 0.25)
    assert comparison is not None
    assert comparison.chosen == 1
    assert "significantly better" in comparison.reason


def test_the_collapse_weight_decides_the_choice() -> None:
    results = [result(1, 0, 1.5, greedy=0.8), result(2, 0, 1.6, greedy=0.1)]
    chosen = {}
    for weight in (0.0, 0.25):
        comparison = compare_finalists(results, sized(t1=8, t2=8), weight)
        assert comparison is not None
        chosen[weight] = (comparison.chosen, round(comparison.best.fitness, 6))
    assert chosen == {0.0: (1, 1.5), 0.25: (2, 1.625)}


def test_one_seed_gives_no_p_value() -> None:
    comparison = compare_finalists(table(t1=[1.5], t2=[1.9]), sized(t1=64, t2=8), 0.25)
    assert comparison is not None
    assert (comparison.chosen, comparison.finalists[1].p_value) == (1, None)
    assert "one seed cannot tell" in comparison.reason


def test_a_finalist_with_a_failed_training_is_not_compared() -> None:
    failed = HoldoutResult(number=2, seed=1, fitness=None, metrics=None, reason="diverged")
    comparison = compare_finalists([*table(t1=[1.5, 1.6], t2=[1.2]), failed], sized(t1=8, t2=8), 0.25)
    assert comparison is not None
    assert ([finalist.number for finalist in comparison.finalists], comparison.failed) == ([1], (failed,))
    assert "no other finalist" in comparison.reason
    assert compare_finalists([failed], sized(t2=8), 0.25) is None


def test_finalists_without_spread_over_seeds_are_equal_or_differ() -> None:
    comparison = compare_finalists(table(t1=[1.5, 1.5], t2=[1.5, 1.5], t3=[1.6, 1.6]), sized(t1=16, t2=8, t3=8), 0.25)
    assert comparison is not None
    assert [finalist.p_value for finalist in comparison.finalists] == [None, 1.0, 0.0]
    assert comparison.chosen == 2
