import math

import pytest

from poserior.training.schedule import learning_rate_factor


def test_warmup_rises_on_a_line_and_ends():
    factors = [learning_rate_factor(step, 0.0, "constant", warmup=4) for step in range(6)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_by_hand():
    assert learning_rate_factor(0, 0.25, "cosine") == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert learning_rate_factor(0, 2 / 3, "cosine") == pytest.approx(0.25)
    assert learning_rate_factor(0, 1.0, "cosine") == pytest.approx(0.0, abs=1e-15)


def test_linear_by_hand():
    assert learning_rate_factor(0, 0.3, "linear") == pytest.approx(0.7)


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 1.0), (0.59, 1.0), (0.6, 0.5), (0.8, 0.5), (0.9, 0.25)])
def test_steps_fall_at_their_milestones(progress, factor):
    found = learning_rate_factor(0, progress, "step", milestones=[0.6, 0.9], gamma=0.5)
    assert found == pytest.approx(factor)


def test_warmup_multiplies_the_fall():
    assert learning_rate_factor(1, 0.5, "cosine", warmup=4) == pytest.approx(0.25)


def test_a_clock_that_runs_over_gives_no_negative_rate():
    assert learning_rate_factor(0, 1.2, "linear") == 0.0
    assert learning_rate_factor(0, 1.2, "cosine") == pytest.approx(0.0, abs=1e-15)


def test_unknown_schedule():
    with pytest.raises(KeyError):
        learning_rate_factor(0, 0.5, "cosin")
