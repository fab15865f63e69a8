from __future__ import annotations

import math

import pytest

from nas.errors import Diverged
from nas.train.progress import LOSS_MEMORY, MAX_RISE, Progress


def test_the_running_loss_averages_over_about_ten_steps_by_hand() -> None:
    after = Progress().after([4.0, 3.0, 5.0])
    second = 0.9 * 4 + 0.1 * 3
    assert after.running_loss == pytest.approx(0.9 * second + 0.1 * 5)
    assert after.lowest_loss == pytest.approx(second)
    assert (after.step, after.loss_sum) == (3, 12.0)
    assert LOSS_MEMORY == 0.9


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_how_the_steps_are_cut_makes_no_difference(cut: int) -> None:
    losses = [0.1 * step for step in range(10)]
    progress = Progress()
    for start in range(0, 10, cut):
        progress = progress.after(losses[start : start + cut])
    assert progress == Progress().after(losses)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_a_divergence_at_its_step(loss: float) -> None:
    with pytest.raises(Diverged, match=rf"^the training loss is {loss} at step 2$"):
        Progress().after([1.0, loss, 1.0])


def test_a_rise_of_the_running_loss_is_a_divergence_and_a_bad_step_is_not() -> None:
    calm = Progress().after([2.0] * 20)
    assert calm.after([2.0 + 9 * MAX_RISE]).step == 21
    with pytest.raises(Diverged, match=r"^the training loss rose from 2\.00 to 3\.\d\d at step 31$"):
        calm.after([2.0 + 1.5 * MAX_RISE] * 20)
