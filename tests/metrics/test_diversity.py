import numpy as np
import pytest

from cdd_keras.metrics.diversity import diversity


def test_it_is_the_mean_distance_of_two():
    features = [[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]
    assert diversity(features, [0, 0, 0]) == pytest.approx((5 + 5 + 0) / 3)


def test_values_are_apart_by_themselves():
    features = np.repeat([[0.0], [100.0]], 3, axis=0)
    assert diversity(features, [0, 0, 0, 1, 1, 1]) == pytest.approx(0, abs=1e-5)
    assert diversity([[0.0], [2.0], [7.0]], [0, 0, 1]) == pytest.approx(2)


def test_without_a_pair_there_is_none():
    assert diversity([[0.0], [2.0]], [0, 1]) is None
