import numpy as np
import pytest
from scipy.linalg import sqrtm

from cdd_keras.metrics.frechet import frechet_distance

DRAW = np.random.default_rng(0)
FIRST = DRAW.normal(size=(300, 4)) @ DRAW.normal(size=(4, 4))
SECOND = DRAW.normal(size=(200, 4)) + 1


def test_a_set_is_no_distance_from_itself():
    assert frechet_distance(FIRST, FIRST) == pytest.approx(0, abs=1e-9)


def test_a_shift_is_its_squared_length():
    assert frechet_distance(FIRST, FIRST + np.array([3, 0, 4, 0])) == pytest.approx(25)


def test_a_scale_changes_the_spread():
    # Of N(0, s^2): (s1 - s2)^2 a dimension.
    assert frechet_distance(2 * SECOND, 2 * SECOND) == pytest.approx(0, abs=1e-9)
    one = DRAW.normal(size=(50, 1))
    one = (one - one.mean()) / one.std(ddof=1)
    assert frechet_distance(one, 3 * one) == pytest.approx(4)


def test_it_is_the_formula_and_the_same_both_ways():
    first, second = np.cov(FIRST, rowvar=False), np.cov(SECOND, rowvar=False)
    apart = np.sum((FIRST.mean(0) - SECOND.mean(0)) ** 2)
    expected = apart + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(FIRST, SECOND) == pytest.approx(expected)
    assert frechet_distance(SECOND, FIRST) == pytest.approx(expected)


def test_features_that_never_change_are_no_trouble():
    constant = np.hstack([FIRST, np.ones((300, 2))])
    assert frechet_distance(constant, constant) == pytest.approx(0, abs=1e-6)


def test_one_example_has_no_spread():
    assert frechet_distance(FIRST[:1], SECOND) is None
