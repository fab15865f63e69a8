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


def result(number: int, rung: int, *values: float, size: float = 10.0, order: int = 0) -> Result:
    return Result(number, rung, order, values, size)


def rule(num_rungs: int = 3, factor: float = 3.0) -> StoppingRule:
    return StoppingRule(num_rungs, factor, FITNESS)


@pytest.mark.parametrize(
    ("before", "mine", "goes_on"),
    [
        ([], 2.0, True),  # the first
        ([1.9], 2.0, False),  # one of two goes on
        ([2.1], 2.0, True),
        ([1.9, 2.1, 2.2, 2.3, 2.4], 2.0, True),  # second of six, of which two go on
        ([1.9, 1.8, 2.2, 2.3, 2.4], 2.0, False),
        ([2.0], 2.0, False),  # of equals whoever came first
    ],
)
def test_one_in_three_goes_on(before: list[float], mine: float, goes_on: bool) -> None:
    others = [result(number, 0, value) for number, value in enumerate(before)]
    reason = rule().stops(result(9, 0, mine), others)
    assert (reason is None) == goes_on


def test_trials_over_a_limit_stand_in_nobodys_way() -> None:
    """Two before it were found over one at the top: alone at its rung it goes on, and the best is none of theirs."""
    over = [replace(result(number, rung, 1.0), is_feasible=rung < 2) for number in range(2) for rung in range(3)]
    feasible = [replace(one, is_feasible=True) for one in over]
    assert rule().stops(result(9, 0, 2.0), over) is None
    assert rule().stops(result(9, 0, 2.0), feasible) is not None
    assert rule().stops(result(9, 0, 2.0), over[:2]) is not None, "before that was known"


def test_the_reason_names_rung_and_place() -> None:
    others = [result(number, 1, value) for number, value in enumerate([1.8, 1.9, 2.1])]
    reason = rule().stops(result(9, 1, 2.0), others)
    assert reason == "stopped at rung 2 of 3: place 3 of 4, where the first 1 go on"


def test_only_results_of_the_same_rung_are_compared() -> None:
    assert rule().stops(result(9, 1, 2.0), [result(0, 0, 1.0), result(1, 2, 1.0)]) is None


def test_at_the_top_there_is_no_stopping() -> None:
    others = [result(number, rung, 1.0) for number in range(4) for rung in (0, 2)]
    assert rule().stops(result(9, 2, 5.0), others) is None
    assert rule().stops(result(9, 0, 5.0), others) is not None


def test_large_architectures_are_credited_with_what_they_are_seen_to_gain() -> None:
    """Where three trials gained 0.1 for each e-fold of size, one four times e larger, 0.1 behind, is first."""
    seen = [
        one
        for number, size in enumerate((8.0, 10.0, 12.0))
        for one in (
            result(number, 0, 3.0, size=size),
            result(number, 1, 3.0 - 0.1 * (size - 5), size=size),
        )
    ]
    # sizes 2 apart: 8 squared, ridge 2: four fifths of the slope is kept
    gains = Gains(seen, FITNESS)
    assert gains.at_next([result(9, 0, 2.0, size=14.0)])[0, 0] == pytest.approx(2.0 - (0.5 + 0.08 * 4))
    peers = [*seen, result(7, 0, 2.0, size=10.0)]
    late = result(9, 0, 2.1, size=14.0)
    assert rule().stops(late, peers) is None
    assert rule().stops(late, [one for one in peers if one.rung == 0]) is not None


def noisy(num_at_top: int) -> list[Result]:
    """Trials at 2.0 that came to 1.4 and 1.6 in turn, and five at 1.9 that were stopped: at rung 1 of 0, 1, 2."""
    came = [
        one for number in range(num_at_top) for one in (result(number, 1, 2.0), result(number, 2, 1.4 + number % 2 / 5))
    ]
    return came + [result(number, 1, 1.9) for number in range(10, 15)]


def test_a_trial_goes_on_whose_chance_to_be_the_best_is_above_one_in_three() -> None:
    """Expected is 0.5 less, give or take sqrt(4 x 0.1^2 / 2) = 0.141, and 1.4 the best: at 1.961 it is a third."""
    assert Gains(noisy(4), FITNESS).spread(1, 2) == (pytest.approx(0.02**0.5),)
    assert rule().stops(result(99, 1, 1.955), noisy(4)) is None
    assert rule().stops(result(99, 1, 1.965), noisy(4)) == (
        "stopped at rung 2 of 3: place 6 of 10, where the first 3 go on"
    )


def test_of_three_trials_nobody_tells_a_chance() -> None:
    assert Gains(noisy(3), FITNESS).spread(1, 2) is None
    assert rule().stops(result(99, 1, 1.955), noisy(3)) is not None


def test_without_noise_whoever_is_expected_to_be_the_best_goes_on() -> None:
    """All gained 0.5, so 1.99 is expected at 1.49, ahead of 1.5, though it is fifth of nine."""
    seen = [one for number in range(4) for one in (result(number, 1, 2.0), result(number, 2, 1.5))]
    stopped = [result(number, 1, 1.9) for number in range(10, 14)]
    assert rule().stops(result(99, 1, 1.99), seen + stopped) is None
    assert rule().stops(result(99, 1, 2.0), seen + stopped) is not None


def test_chances_are_of_one_objective_alone() -> None:
    two = [Result(one.number, one.rung, one.order, (*one.values, 10.0), 10.0) for one in noisy(4)]
    late = Result(99, 1, 0, (1.955, 10.0), 10.0)
    assert StoppingRule(3, 3.0, TWO).stops(late, two) is not None


def test_what_is_known_before_training_gains_nothing() -> None:
    seen = [result(0, 0, 3.0, 100.0), result(0, 1, 2.5, 100.0)]
    assert Gains(seen, TWO).at_next([result(1, 0, 2.9, 50.0)]).tolist() == [[pytest.approx(2.4), 50.0]]


def test_gains_add_up_to_the_top_once_a_trial_has_been_there() -> None:
    seen = [result(0, 0, 3.0), result(0, 1, 2.5), result(0, 2, 2.2)]
    two = [result(1, 0, 3.1), result(2, 0, 3.3)]
    assert Gains(seen, FITNESS).at_rung(two, 2).tolist() == [[pytest.approx(3.1 - 0.8)], [pytest.approx(3.3 - 0.8)]]
    assert Gains(seen, FITNESS).at_rung([result(0, 2, 2.2)], 2).tolist() == [[2.2]]
    assert Gains(seen[:2], FITNESS).at_rung(two, 2) is None


def test_with_several_objectives_the_front_decides() -> None:
    """Five of which the first four do not beat each other: two of six go on."""
    others = [result(n, 0, 2.0 + 0.2 * n, 40.0 - 10.0 * n) for n in range(4)] + [result(4, 0, 3.0, 35.0)]
    two = StoppingRule(3, 3.0, TWO)
    reason = two.stops(result(5, 0, 2.7, 30.0), others)
    assert reason == "stopped at rung 1 of 3: place 5 of 6, where the first 2 go on"  # beaten by two
    assert two.stops(result(5, 0, 2.1, 35.0), others) is not None  # on the front, where it is crowded
    assert two.stops(result(5, 0, 2.7, 5.0), others) is None  # the new end of it
    assert two.stops(result(5, 0, 1.9, 5.0), others) is None  # ahead of all


def test_a_decision_is_the_same_whoever_takes_it_again() -> None:
    draw = random.Random(0)
    recorded = [result(n, 0, draw.random(), size=draw.uniform(8, 12), order=n) for n in range(40)]
    first = [rule().stops(one, recorded[: one.order]) for one in recorded]
    shuffled = [rule().stops(one, draw.sample(recorded[: one.order], one.order)) for one in recorded]
    assert first == shuffled
    assert 8 <= sum(one is None for one in first) <= 20


def test_ranks_are_those_of_peeling_front_after_front() -> None:
    draw = random.Random(1)
    points = [(draw.randint(0, 9), draw.randint(0, 9), draw.randint(0, 3)) for _ in range(60)]
    left, expected, rank = set(range(60)), [0] * 60, 0
    while left:
        front = {
            one
            for one in left
            if not any(
                all(a <= b for a, b in zip(points[other], points[one], strict=True)) and points[other] != points[one]
                for other in left
            )
        }
        for one in front:
            expected[one] = rank
        left, rank = left - front, rank + 1
    assert non_dominated_ranks(points) == expected
    assert non_dominated_ranks([[3.0], [1.0], [3.0], [2.0]]) == [2, 0, 2, 1]
