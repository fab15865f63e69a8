from __future__ import annotations

import random
from dataclasses import replace

import pytest

from nas.records.fitness import non_dominated_ranks
from nas.search.objectives import metrics_of
from nas.search.rungs.gains import Gains
from nas.search.rungs.results import Result
from nas.search.rungs.stopping import StoppingRule

FITNESS = metrics_of(["fitness"])
TWO = metrics_of(["val_bpb", "num_params"])
RULE = StoppingRule(3, 3.0, FITNESS)
RULE_OF_TWO = StoppingRule(3, 3.0, TWO)


def result(number: int, rung: int, *values: float, size: float = 10.0, order: int = 0) -> Result:
    return Result(number, rung, order, values, size)


@pytest.mark.parametrize(
    ("previous", "value", "is_promoted"),
    [
        ([], 2.0, True),  # the first
        ([1.9], 2.0, False),  # one of two is promoted
        ([2.1], 2.0, True),
        ([1.9, 2.1, 2.2, 2.3, 2.4], 2.0, True),  # second of six, of which two are promoted
        ([1.9, 1.8, 2.2, 2.3, 2.4], 2.0, False),
        ([2.0], 2.0, False),  # the earlier of two equals ranks first
    ],
)
def test_one_in_three_is_promoted(previous: list[float], value: float, is_promoted: bool) -> None:
    others = [result(number, 0, other) for number, other in enumerate(previous)]
    reason = RULE.stop_reason(result(9, 0, value), others)
    assert (reason is None) == is_promoted


def test_trials_over_a_limit_do_not_compete() -> None:
    """Two trials exceeded a limit at the top: without them, a third is alone at its rung and nothing is the best."""
    over = [replace(result(number, rung, 1.0), is_feasible=rung < 2) for number in range(2) for rung in range(3)]
    feasible = [replace(other, is_feasible=True) for other in over]
    assert RULE.stop_reason(result(9, 0, 2.0), over) is None
    assert RULE.stop_reason(result(9, 0, 2.0), feasible) is not None
    assert RULE.stop_reason(result(9, 0, 2.0), over[:2]) is not None, "before that was known"


def test_the_reason_names_rung_and_rank() -> None:
    others = [result(number, 1, value) for number, value in enumerate([1.8, 1.9, 2.1])]
    reason = RULE.stop_reason(result(9, 1, 2.0), others)
    assert reason is not None
    assert "rung 2 of 3" in reason and "rank 3 of 4" in reason and "up to 1 " in reason


def test_only_results_of_the_same_rung_are_compared() -> None:
    assert RULE.stop_reason(result(9, 1, 2.0), [result(0, 0, 1.0), result(1, 2, 1.0)]) is None


def test_no_trial_is_stopped_at_the_top() -> None:
    others = [result(number, rung, 1.0) for number in range(4) for rung in (0, 2)]
    assert RULE.stop_reason(result(9, 2, 5.0), others) is None
    assert RULE.stop_reason(result(9, 0, 5.0), others) is not None


def test_large_architectures_are_credited_with_the_gains_of_large_ones() -> None:
    """Where three trials gained 0.1 per e-fold of size, one that is e^4 times larger and 0.1 worse ranks first."""
    seen = [
        rung_result
        for number, size in enumerate((8.0, 10.0, 12.0))
        for rung_result in (
            result(number, 0, 3.0, size=size),
            result(number, 1, 3.0 - 0.1 * (size - 5), size=size),
        )
    ]
    # Sizes are 2 apart: their squares sum to 8, the ridge is 2, so four fifths of the slope are kept.
    gains = Gains(seen, FITNESS)
    assert gains.predict_next([result(9, 0, 2.0, size=14.0)])[0, 0] == pytest.approx(2.0 - (0.5 + 0.08 * 4))
    peers = [*seen, result(7, 0, 2.0, size=10.0)]
    large = result(9, 0, 2.1, size=14.0)
    assert RULE.stop_reason(large, peers) is None
    assert RULE.stop_reason(large, [peer for peer in peers if peer.rung == 0]) is not None


def noisy(num_at_top: int) -> list[Result]:
    """Return trials that went from 2.0 at rung 1 to 1.4 and 1.6 in turn at the top, and five stopped at 1.9."""
    promoted = [
        rung_result
        for number in range(num_at_top)
        for rung_result in (result(number, 1, 2.0), result(number, 2, 1.4 + number % 2 / 5))
    ]
    return promoted + [result(number, 1, 1.9) for number in range(10, 15)]


def test_a_trial_is_promoted_if_its_probability_to_be_the_best_exceeds_one_in_three() -> None:
    """Predicted is 0.5 less, with a standard error of sqrt(4 x 0.1^2 / 2) = 0.141. The best has 1.4: 1/3 at 1.961."""
    assert Gains(noisy(4), FITNESS).prediction_error(1, 2) == (pytest.approx(0.02**0.5),)
    assert RULE.stop_reason(result(99, 1, 1.955), noisy(4)) is None
    reason = RULE.stop_reason(result(99, 1, 1.965), noisy(4))
    assert reason is not None and "rank 6 of 10" in reason and "up to 3 " in reason


def test_three_trials_are_too_few_for_a_probability() -> None:
    assert Gains(noisy(3), FITNESS).prediction_error(1, 2) is None
    assert RULE.stop_reason(result(99, 1, 1.955), noisy(3)) is not None


def test_without_noise_the_predicted_best_is_promoted() -> None:
    """All gained 0.5, so 1.99 is predicted to reach 1.49, ahead of 1.5, though it ranks fifth of nine."""
    seen = [rung_result for number in range(4) for rung_result in (result(number, 1, 2.0), result(number, 2, 1.5))]
    stopped = [result(number, 1, 1.9) for number in range(10, 14)]
    assert RULE.stop_reason(result(99, 1, 1.99), seen + stopped) is None
    assert RULE.stop_reason(result(99, 1, 2.0), seen + stopped) is not None


def test_probabilities_are_used_with_one_objective_only() -> None:
    two = [Result(other.number, other.rung, other.order, (*other.values, 10.0), 10.0) for other in noisy(4)]
    candidate = Result(99, 1, 0, (1.955, 10.0), 10.0)
    assert RULE_OF_TWO.stop_reason(candidate, two) is not None


def test_values_known_before_training_gain_nothing() -> None:
    seen = [result(0, 0, 3.0, 100.0), result(0, 1, 2.5, 100.0)]
    assert Gains(seen, TWO).predict_next([result(1, 0, 2.9, 50.0)]).tolist() == [[pytest.approx(2.4), 50.0]]


def test_gains_add_up_to_the_top_once_a_trial_has_reached_it() -> None:
    seen = [result(0, 0, 3.0), result(0, 1, 2.5), result(0, 2, 2.2)]
    two = [result(1, 0, 3.1), result(2, 0, 3.3)]
    assert Gains(seen, FITNESS).predict(two, 2).tolist() == [[pytest.approx(3.1 - 0.8)], [pytest.approx(3.3 - 0.8)]]
    assert Gains(seen, FITNESS).predict([result(0, 2, 2.2)], 2).tolist() == [[2.2]]
    assert Gains(seen[:2], FITNESS).predict(two, 2) is None


def test_with_several_objectives_the_front_decides() -> None:
    """The first four of five do not dominate each other; two of six are promoted."""
    others = [result(n, 0, 2.0 + 0.2 * n, 40.0 - 10.0 * n) for n in range(4)] + [result(4, 0, 3.0, 35.0)]
    reason = RULE_OF_TWO.stop_reason(result(5, 0, 2.7, 30.0), others)
    assert reason is not None and "rank 5 of 6" in reason and "up to 2 " in reason  # dominated by two
    assert RULE_OF_TWO.stop_reason(result(5, 0, 2.1, 35.0), others) is not None  # on a crowded part of the front
    assert RULE_OF_TWO.stop_reason(result(5, 0, 2.7, 5.0), others) is None  # the new end of the front
    assert RULE_OF_TWO.stop_reason(result(5, 0, 1.9, 5.0), others) is None  # dominates all


def test_a_decision_does_not_depend_on_the_order_of_results() -> None:
    draw = random.Random(0)
    recorded = [result(n, 0, draw.random(), size=draw.uniform(8, 12), order=n) for n in range(40)]
    reasons = [RULE.stop_reason(current, recorded[: current.order]) for current in recorded]
    shuffled = [
        RULE.stop_reason(current, draw.sample(recorded[: current.order], current.order)) for current in recorded
    ]
    assert reasons == shuffled
    assert 8 <= sum(reason is None for reason in reasons) <= 20


def test_ranks_are_the_numbers_of_successive_fronts() -> None:
    draw = random.Random(1)
    points = [(draw.randint(0, 9), draw.randint(0, 9), draw.randint(0, 3)) for _ in range(60)]
    left, expected, rank = set(range(60)), [0] * 60, 0
    while left:
        front = {
            index
            for index in left
            if not any(
                all(a <= b for a, b in zip(points[other], points[index], strict=True))
                and points[other] != points[index]
                for other in left
            )
        }
        for index in front:
            expected[index] = rank
        left, rank = left - front, rank + 1
    assert non_dominated_ranks(points) == expected
    assert non_dominated_ranks([[3.0], [1.0], [3.0], [2.0]]) == [2, 0, 2, 1]
