import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.belief import Belief

DIRECT, TRANSLATED = Belief.DIRECT, Belief.TRANSLATED
# Softmax of these: 1/10, 2/10, 7/10.
SKEWED = tf.math.log([[0.1, 0.2, 0.7]])


def belief(**settings):
    return Belief(3, **{"via_source": 0.6, "sharpness": 1.0, **settings})


def follow(one, labels=(0, 1, 2), readings=None, times=400):
    for _ in range(times):
        one.observe(tf.constant(labels), readings or {})


def test_before_anything_was_seen_a_reading_stands():
    np.testing.assert_allclose(tf.exp(belief().align(DIRECT, SKEWED)), [[0.1, 0.2, 0.7]], 1e-4)


def test_the_prior_follows_the_labels():
    one = belief()
    follow(one, labels=[0, 0, 0, 1], times=1)
    expected = 0.97 / 3 + 0.03 * np.array([0.75, 0.25, 0])
    np.testing.assert_allclose(one.prior, expected, rtol=1e-6)
    follow(one, labels=[0, 0, 0, 1])
    np.testing.assert_allclose(one.prior, [0.75, 0.25, 0], atol=1e-4)


def test_an_indifferent_reading_is_aligned_to_the_prior():
    # A branch that always says the same carries no evidence: what is left is the prior.
    one = belief()
    follow(one, labels=[0, 0, 1, 2], readings={DIRECT: SKEWED})
    np.testing.assert_allclose(tf.exp(one.align(DIRECT, SKEWED)), [[0.5, 0.25, 0.25]], atol=1e-3)
    np.testing.assert_allclose(one.probabilities({DIRECT: SKEWED}), [[0.5, 0.25, 0.25]], atol=1e-3)


def test_alignment_is_by_branch():
    one = belief()
    follow(one, readings={DIRECT: SKEWED})
    np.testing.assert_allclose(one.means[DIRECT], [0.1, 0.2, 0.7], atol=1e-4)
    np.testing.assert_allclose(one.means[TRANSLATED], [1 / 3] * 3, atol=1e-6)


@pytest.mark.parametrize(
    ("alignment", "expected"), [(0.0, [0.1, 0.2, 0.7]), (1.0, [1 / 3, 1 / 3, 1 / 3])]
)
def test_alignment_is_done_as_far_as_asked(alignment, expected):
    one = belief(alignment=alignment)
    follow(one, readings={DIRECT: SKEWED})
    np.testing.assert_allclose(tf.exp(one.align(DIRECT, SKEWED)), [expected], atol=1e-3)


def test_readings_join_as_a_weighted_geometric_mean():
    readings = {DIRECT: tf.math.log([[0.8, 0.1, 0.1]]), TRANSLATED: tf.math.log([[0.2, 0.6, 0.2]])}
    joint = np.array([0.8, 0.1, 0.1]) ** 0.4 * np.array([0.2, 0.6, 0.2]) ** 0.6
    np.testing.assert_allclose(tf.exp(belief().combine(readings)), [joint / joint.sum()], rtol=1e-4)


@pytest.mark.parametrize("name", [DIRECT, TRANSLATED])
def test_one_reading_stands_alone(name):
    np.testing.assert_allclose(tf.exp(belief().combine({name: SKEWED})), [[0.1, 0.2, 0.7]], 1e-4)


def test_sharpness_is_a_power_for_training_alone():
    one = belief(sharpness=2.0)
    squares = np.array([0.01, 0.04, 0.49])
    np.testing.assert_allclose(
        one.probabilities({DIRECT: SKEWED}), [squares / squares.sum()], rtol=1e-4
    )
    np.testing.assert_allclose(tf.exp(one.combine({DIRECT: SKEWED})), [[0.1, 0.2, 0.7]], 1e-4)


def test_an_unseen_class_keeps_everything_finite():
    one = belief()
    certain = tf.constant([[60.0, -60.0, -60.0]])
    follow(one, labels=[0], readings={DIRECT: certain})
    assert np.all(np.isfinite(one.combine({DIRECT: certain, TRANSLATED: -certain})))
    np.testing.assert_allclose(np.sum(one.probabilities({DIRECT: certain})), 1, rtol=1e-5)


def test_nothing_of_it_is_trained():
    assert belief().trainable_variables == []
    assert len(belief().weights) == 3
