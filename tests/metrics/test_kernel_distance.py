import numpy as np
import pytest

from cdd_keras.metrics.kernel_distance import kernel_distance

DRAW = np.random.default_rng(0)


def test_it_is_the_formula():
    first, second = DRAW.normal(size=(3, 2)), DRAW.normal(size=(4, 2))

    def kernel(x, y):
        return (x @ y / 2 + 1) ** 3

    within = [
        np.mean([kernel(x, y) for i, x in enumerate(one) for j, y in enumerate(one) if i != j])
        for one in (first, second)
    ]
    between = np.mean([kernel(x, y) for x in first for y in second])
    assert kernel_distance(first, second) == pytest.approx(sum(within) - 2 * between)


def test_two_sets_of_one_distribution_are_about_0_apart_whatever_their_size():
    found = [
        np.mean([kernel_distance(*DRAW.normal(size=(2, count, 3))) for _ in range(8000 // count)])
        for count in (20, 200)
    ]
    np.testing.assert_allclose(found, 0, atol=0.15)
    assert kernel_distance(DRAW.normal(size=(200, 3)), DRAW.normal(size=(200, 3)) + 1) > 1


def test_one_example_has_no_pairs():
    assert kernel_distance(np.ones((1, 2)), np.ones((5, 2))) is None
