import numpy as np
import pytest
import tensorflow as tf

from cdd_keras import losses

LN2 = np.log(2)


def gradient(loss, *inputs):
    inputs = [tf.constant(value, tf.float32) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(*inputs)
    return [part.numpy() for part in tape.gradient(value, inputs)]


def test_divergence_of_the_prior_is_zero():
    zeros = tf.zeros((3, 2, 2, 4))
    np.testing.assert_array_equal(losses.kl_divergence(zeros, zeros), np.zeros(3))


def test_divergence_sums_over_the_code():
    # KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1 - log s^2) / 2 a dimension.
    mean, log_var = tf.fill((2, 5), 2.0), tf.fill((2, 5), np.float32(np.log(4)))
    expected = 5 * 0.5 * (4 + 4 - 1 - np.log(4))
    np.testing.assert_allclose(losses.kl_divergence(mean, log_var), [expected] * 2, rtol=1e-6)


def test_divergence_pulls_to_the_prior():
    mean, log_var = gradient(losses.kl_divergence, [[3.0, -1.0]], [[0.0, 1.0]])
    np.testing.assert_allclose(mean, [[3.0, -1.0]])
    np.testing.assert_allclose(log_var, [[0.0, 0.5 * (np.e - 1)]], rtol=1e-6)


def test_divergence_is_never_negative():
    draws = np.random.default_rng(0).normal(0, 2, (2, 50, 3)).astype("float32")
    assert np.all(losses.kl_divergence(*tf.constant(draws)) > 0)


def test_errors_are_means_over_an_example():
    expected, actual = tf.zeros((2, 4, 4, 3)), tf.fill((2, 4, 4, 3), -2.0)
    np.testing.assert_array_equal(losses.absolute_error(expected, actual), [2, 2])
    np.testing.assert_array_equal(losses.squared_error(expected, actual), [4, 4])


@pytest.mark.parametrize("error", [losses.absolute_error, losses.squared_error])
def test_errors_are_zero_where_equal_and_symmetric(error):
    one, two = tf.constant([[1.0, -2.0], [0.5, 3.0]]), tf.constant([[1.0, -2.0], [1.5, 0.0]])
    assert error(one, two)[0] == 0
    np.testing.assert_array_equal(error(one, two), error(two, one))


def test_squared_error_has_the_mean_difference_as_gradient():
    _, actual = gradient(losses.squared_error, [[0.0, 0.0]], [[1.0, -3.0]])
    np.testing.assert_allclose(actual, [[1.0, -3.0]])


def test_cross_entropy_of_no_opinion_is_the_log_of_the_classes():
    np.testing.assert_allclose(losses.cross_entropy([0, 3], tf.zeros((2, 4))), np.log([4, 4]))


def test_cross_entropy_stays_finite_where_it_is_wrong():
    logits = tf.constant([[1e4, -1e4]])
    np.testing.assert_allclose(losses.cross_entropy([1], logits), [2e4])
    (slope,) = gradient(lambda logits: losses.cross_entropy([1], logits), [[1e4, -1e4]])
    np.testing.assert_allclose(slope, [[1, -1]])


@pytest.mark.parametrize(
    ("logit", "goal", "expected"), [(1, 1, 0), (0, 0, 0), (0, 1, 1), (3, 1, 4), (-2, 0, 4)]
)
def test_least_squares_realness(logit, goal, expected):
    cost = losses.least_squares_realness(tf.constant([float(logit)]), float(goal))
    np.testing.assert_array_equal(cost, [expected])


@pytest.mark.parametrize(("logit", "goal", "expected"), [(0, 1, LN2), (0, 0, LN2), (1e3, 0, 1e3)])
def test_logistic_realness(logit, goal, expected):
    cost = losses.logistic_realness(tf.constant([float(logit)]), float(goal))
    np.testing.assert_allclose(cost, [expected], rtol=1e-6)


def test_logistic_realness_does_not_saturate():
    (slope,) = gradient(lambda logits: losses.logistic_realness(logits, 1.0), [-50.0])
    np.testing.assert_allclose(slope, [-1])


def test_gradient_penalty_is_half_the_squared_norm():
    slopes = tf.concat([tf.zeros((1, 2, 2, 3)), tf.fill((1, 2, 2, 3), 2.0)], 0)
    np.testing.assert_array_equal(losses.gradient_penalty(slopes), [0, 24])


@pytest.mark.parametrize(
    "loss", [losses.absolute_error, losses.squared_error, losses.kl_divergence]
)
def test_one_value_an_example_whatever_the_rank(loss):
    for shape in ((5, 3), (5, 2, 2, 3)):
        assert loss(tf.ones(shape), tf.zeros(shape)).shape == (5,)
