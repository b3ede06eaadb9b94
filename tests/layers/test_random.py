import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.layers.random import Draws


def test_same_seed_and_step_give_the_same_draws():
    one, two = Draws(3, 7), Draws(3, 7)
    for _ in range(3):
        np.testing.assert_array_equal(one.normal((5,)), two.normal((5,)))


@pytest.mark.parametrize("changed", [Draws(3, 8), Draws(4, 7)])
def test_another_step_or_seed_gives_others(changed):
    assert not np.any(np.isclose(Draws(3, 7).normal((20,)), changed.normal((20,))))


def test_each_call_of_a_step_gives_others():
    draws = Draws(0)
    seeds = {tuple(draws.seed().numpy()) for _ in range(100)}
    assert len(seeds) == 100


def test_steps_may_be_tensors_of_any_integer_type():
    for step in (5, tf.constant(5), tf.constant(5, tf.int64)):
        np.testing.assert_array_equal(Draws(1, step).seed(), Draws(1, 5).seed())


@pytest.mark.parametrize("seed", [0, 32_767, 32_768, 2_147_483_647])
def test_every_seed_the_configuration_allows_can_be_used(seed):
    assert np.all(np.isfinite(Draws(seed, 1).normal((3,))))


def test_distributions():
    draws = Draws(0)
    normal = draws.normal((20_000,)).numpy()
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    uniform = draws.uniform((20_000,), -2.0, 3.0).numpy()
    assert -2 <= uniform.min() < -1.99
    assert 2.99 < uniform.max() < 3
    np.testing.assert_array_equal(np.unique(draws.integers((500,), 1, 4)), [1, 2, 3])


def test_categories_follow_their_probabilities():
    rows = tf.tile([[0.0, 0.2, 0.8]], (5000, 1))
    counts = np.bincount(Draws(0).categories(rows), minlength=3) / 5000
    np.testing.assert_allclose(counts, [0, 0.2, 0.8], atol=0.02)
    assert Draws(0).categories(rows).dtype == tf.int32
