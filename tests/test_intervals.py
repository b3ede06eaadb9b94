import pytest
from tiny import config

from cdd_keras.intervals import evaluation_interval, is_due, last_due


@pytest.mark.parametrize(
    ("steps", "every", "interval", "due"),
    [(20, 0.25, 5, [5, 10, 15, 20]), (10, 0.4, 4, [4, 8, 10]), (3, 0.01, 1, [1, 2, 3])],
)
def test_evaluations_come_at_intervals_and_at_the_end(steps, every, interval, due):
    settings = config(steps=steps, evaluate_every=every)
    assert evaluation_interval(settings) == interval
    assert [step for step in range(1, steps + 1) if is_due(step, settings)] == due
    for step in range(steps + 1):
        assert last_due(step, settings) == max([0, *(one for one in due if one <= step)])
