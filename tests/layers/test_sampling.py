import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.layers.random import Draws
from cdd_keras.layers.sampling import SPREAD, FittedPrior, NormalPrior, sample_posterior


def correlated_codes(count=400, length=12):
    draws = np.random.default_rng(0)
    mixing = draws.normal(size=(length, length))
    return (draws.normal(size=(count, length)) @ mixing + draws.normal(size=length)).astype("f4")


def fitted(codes, shape):
    prior = FittedPrior(shape)
    prior.fit(tf.reshape(codes, (-1, *shape)))
    return prior


def covariance(prior):
    return prior.directions.numpy().T @ prior.directions.numpy()


def test_a_posterior_without_spread_gives_its_mean():
    mean = tf.constant([[1.0, -2.0]])
    np.testing.assert_array_equal(sample_posterior(mean, tf.fill((1, 2), -1e9), Draws(0)), mean)


def test_posterior_draws_have_mean_and_deviation():
    mean, log_var = tf.fill((20_000, 1), 3.0), tf.fill((20_000, 1), np.float32(2 * np.log(0.5)))
    codes = sample_posterior(mean, log_var, Draws(0)).numpy()
    assert abs(codes.mean() - 3) < 0.02
    assert abs(codes.std() - 0.5) < 0.02


def test_gradients_reach_mean_and_variance():
    mean, log_var = tf.zeros((2, 3)), tf.zeros((2, 3))
    with tf.GradientTape() as tape:
        tape.watch([mean, log_var])
        codes = sample_posterior(mean, log_var, Draws(0))
    by_mean, by_log_var = tape.gradient(codes, [mean, log_var])
    np.testing.assert_array_equal(by_mean, np.ones((2, 3)))
    np.testing.assert_allclose(by_log_var, 0.5 * codes, rtol=1e-6)


@pytest.mark.parametrize("prior", [NormalPrior((2, 2, 3)), FittedPrior((2, 2, 3))])
def test_codes_have_the_shape_and_follow_the_draws(prior):
    codes = prior.sample(5, Draws(1))
    assert codes.shape == (5, 2, 2, 3)
    np.testing.assert_array_equal(codes, prior.sample(5, Draws(1)))
    assert not np.array_equal(codes, prior.sample(5, Draws(2)))
    assert prior.sample(tf.constant(3), Draws(1)).shape == (3, 2, 2, 3)


def test_the_normal_prior_is_not_fitted():
    prior = NormalPrior((12,))
    before = prior.sample(4, Draws(0))
    prior.fit(tf.constant(correlated_codes()))
    np.testing.assert_array_equal(prior.sample(4, Draws(0)), before)


def test_the_fitted_prior_has_the_codes_mean_and_covariance():
    codes = correlated_codes()
    prior = fitted(codes, (2, 2, 3))
    np.testing.assert_allclose(prior.mean, codes.mean(0), atol=1e-5)
    np.testing.assert_allclose(covariance(prior), np.cov(codes.T, bias=True), atol=1e-3)


def test_drawn_codes_are_spread_as_fitted_but_less_far():
    codes = correlated_codes()
    prior = fitted(codes, (12,))
    drawn = prior.sample(20_000, Draws(0)).numpy()
    expected = SPREAD**2 * np.cov(codes.T, bias=True)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.05 * np.abs(expected).max())


def test_fewer_codes_than_dimensions_span_what_they_have():
    codes = correlated_codes(count=5)
    prior = fitted(codes, (12,))
    np.testing.assert_allclose(covariance(prior), np.cov(codes.T, bias=True), atol=1e-3)
    assert np.all(np.isfinite(prior.sample(10, Draws(0))))


def test_refitting_forgets_what_was_fitted():
    prior = fitted(correlated_codes(), (12,))
    prior.fit(tf.zeros((3, 12)))
    np.testing.assert_array_equal(prior.sample(2, Draws(0)), np.zeros((2, 12)))


def test_long_codes_are_kept_to_their_strongest_components():
    draws = np.random.default_rng(0)
    # Three directions carry all there is.
    codes = draws.normal(size=(300, 3)) @ draws.normal(size=(3, 256))
    prior = fitted(codes.astype("f4"), (4, 4, 16))
    assert prior.directions.shape == (200, 256)
    np.testing.assert_allclose(covariance(prior), np.cov(codes.T, bias=True), atol=1e-3)


def test_a_code_without_a_variance_is_its_mean():
    mean = tf.constant([[1.0, -2.0]])
    np.testing.assert_array_equal(sample_posterior(mean, None, Draws(0)), mean)
