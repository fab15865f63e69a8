from __future__ import annotations

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


def test_two_finalists_are_compared_as_by_the_paired_t_test() -> None:
    first, second = [1.50, 1.52, 1.48], [1.55, 1.54, 1.56]
    found = compare_finalists(table(t1=second, t2=first), sized(t1=8, t2=8), 0.25)
    assert found is not None
    expected = stats.ttest_rel(first, second)
    assert [one.number for one in found.finalists] == [2, 1]
    assert found.finalists[1].p_value == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert found.finalists[1].half_width == pytest.approx((high - low) / 2)
    assert found.finalists[1].behind == pytest.approx(0.05)


def test_the_variance_is_pooled_over_all_and_p_values_are_holms() -> None:
    """Against the analysis of variance by hand: sum of squares of what is left after rows and columns."""
    rows = {"t1": [1.0, 1.1, 1.2], "t2": [1.3, 1.35, 1.46], "t3": [1.05, 1.2, 1.23]}
    values = np.array(list(rows.values()))
    fitted = values.mean(1)[:, None] + values.mean(0)[None] - values.mean()
    error = np.sqrt(((values - fitted) ** 2).sum() / 4 * 2 / 3)
    plain = {n: 2 * stats.t.sf((values[n - 1].mean() - 1.1) / error, 4) for n in (2, 3)}
    found = compare_finalists(table(**rows), sized(t1=8, t2=8, t3=8), 0.25)
    assert found is not None
    p_values = {one.number: one.p_value for one in found.finalists}
    assert p_values == {1: None, 2: pytest.approx(2 * plain[2]), 3: pytest.approx(max(2 * plain[2], plain[3]))}


def test_of_those_that_do_not_differ_the_smallest_is_taken() -> None:
    rows = {"t1": [1.50, 1.60, 1.55], "t2": [1.58, 1.53, 1.57], "t3": [2.50, 2.60, 2.55]}
    found = compare_finalists(table(**rows), sized(t1=64, t2=32, t3=8), 0.25)
    assert found is not None
    assert (found.best.number, found.chosen) == (1, 2)
    assert found.reason.startswith("no significant difference to the best, trial 1 (+0.010 in fitness, p = ")
    assert [one.is_worse for one in found.finalists] == [False, False, True]


def test_a_clear_winner_is_taken_whatever_its_size() -> None:
    rows = {"t1": [1.50, 1.51, 1.49], "t2": [1.70, 1.71, 1.68]}
    found = compare_finalists(table(**rows), sized(t1=64, t2=32), 0.25)
    assert found is not None
    assert (found.chosen, found.reason) == (1, "significantly better on the holdout than every other finalist")


def test_collapse_counts_by_its_weight() -> None:
    results = [result(1, 0, 1.5, greedy=0.8), result(2, 0, 1.6, greedy=0.1)]
    chosen = {}
    for weight in (0.0, 0.25):
        found = compare_finalists(results, sized(t1=8, t2=8), weight)
        assert found is not None
        chosen[weight] = (found.chosen, round(found.best.fitness, 6))
    assert chosen == {0.0: (1, 1.5), 0.25: (2, 1.625)}


def test_one_seed_cannot_tell_a_difference_from_chance() -> None:
    found = compare_finalists(table(t1=[1.5], t2=[1.9]), sized(t1=64, t2=8), 0.25)
    assert found is not None
    assert (found.chosen, found.finalists[1].p_value) == (1, None)
    assert "one seed cannot tell" in found.reason


def test_a_finalist_that_fell_apart_is_not_compared() -> None:
    lost = HoldoutResult(number=2, seed=1, fitness=None, metrics=None, reason="diverged")
    found = compare_finalists([*table(t1=[1.5, 1.6], t2=[1.2]), lost], sized(t1=8, t2=8), 0.25)
    assert found is not None
    assert ([one.number for one in found.finalists], found.failed) == ([1], (lost,))
    assert found.reason == "there is no other to compare it with"
    assert compare_finalists([lost], sized(t2=8), 0.25) is None


def test_finalists_without_any_spread_differ_or_are_equal() -> None:
    found = compare_finalists(table(t1=[1.5, 1.5], t2=[1.5, 1.5], t3=[1.6, 1.6]), sized(t1=16, t2=8, t3=8), 0.25)
    assert found is not None
    assert [one.p_value for one in found.finalists] == [None, 1.0, 0.0]
    assert found.chosen == 2
