import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.belief import Belief
from cdd_keras.domains import SOURCE, TARGET

DIRECT, TRANSLATED, AS_SOURCE = Belief.DIRECT, Belief.TRANSLATED, Belief.AS_SOURCE
# Softmax of these: 1/10, 2/10, 7/10.
SKEWED = tf.math.log([[0.1, 0.2, 0.7]])
EVEN = tf.zeros((1, 3))


def belief(**settings):
    return Belief(3, **{"via_source": 0.6, "sharpness": 1.0, **settings})


def follow(one, labels=(0, 1, 2), readings=None, times=400):
    for _ in range(times):
        one.count(SOURCE, tf.constant(labels))
        one.observe(readings or {})


def test_before_anything_was_seen_a_reading_stands():
    np.testing.assert_allclose(tf.exp(belief().align(DIRECT, SKEWED)), [[0.1, 0.2, 0.7]], 1e-4)


def test_frequencies_follow_the_labels_of_their_domain():
    one = belief()
    follow(one, labels=[0, 0, 0, 1], times=1)
    expected = 0.97 / 3 + 0.03 * np.array([0.75, 0.25, 0])
    np.testing.assert_allclose(one.frequencies[SOURCE], expected, rtol=1e-6)
    np.testing.assert_allclose(one.frequencies[TARGET], [1 / 3] * 3, rtol=1e-6)
    follow(one, labels=[0, 0, 0, 1])
    np.testing.assert_allclose(tf.exp(one.log_frequencies(SOURCE)), [0.75, 0.25, 0], atol=1e-4)


def test_known_frequencies_stand_whatever_batches_show():
    one = belief()
    one.know(np.array([0] * 6 + [1] * 3 + [2]))
    follow(one, labels=[0, 1, 2], readings={AS_SOURCE: EVEN})
    for domain in (SOURCE, TARGET):
        np.testing.assert_allclose(one.frequencies[domain], [0.6, 0.3, 0.1], atol=1e-4)
    np.testing.assert_allclose(tf.exp(one.log_shown(SOURCE)), [1 / 3] * 3, atol=1e-4)


def test_without_evidence_the_target_is_as_the_source():
    # Logits leave out the frequencies, so flat ones say nothing.
    one = belief()
    follow(one, labels=[0, 0, 1, 2], readings={DIRECT: EVEN, AS_SOURCE: EVEN})
    np.testing.assert_allclose(one.frequencies[TARGET], [0.5, 0.25, 0.25], atol=1e-3)
    np.testing.assert_allclose(one.probabilities({DIRECT: EVEN}), [[0.5, 0.25, 0.25]], atol=1e-3)


def test_the_target_s_frequencies_are_what_the_source_s_branch_reads_sharply():
    certain = 50 * tf.one_hot([0, 0, 0, 2], 3)
    one = belief()
    follow(one, readings={DIRECT: SKEWED, TRANSLATED: certain, AS_SOURCE: certain})
    np.testing.assert_allclose(one.frequencies[TARGET], [0.75, 0, 0.25], atol=1e-3)
    halves = tf.math.log([[0.5, 0.25, 0.25]])
    sharp = belief(sharpness=2.0)
    follow(sharp, readings={AS_SOURCE: halves})
    np.testing.assert_allclose(sharp.frequencies[TARGET], [4 / 6, 1 / 6, 1 / 6], atol=1e-3)


def test_errors_to_either_side_cancel():
    readings = {TRANSLATED: tf.math.log([[0.6, 0.3, 0.1]]), AS_SOURCE: -tf.math.log([[6, 3, 1.0]])}
    one = belief()
    follow(one, readings=readings)
    np.testing.assert_allclose(one.frequencies[TARGET], [1 / 3] * 3, atol=1e-3)


def test_the_target_s_own_branch_has_no_say_in_its_frequencies():
    one = belief()
    follow(one, readings={DIRECT: SKEWED})
    np.testing.assert_allclose(one.frequencies[TARGET], [1 / 3] * 3, atol=1e-6)


def test_an_indifferent_reading_is_aligned_to_the_frequencies():
    # A branch that always says the same carries no evidence: what is left is the frequencies.
    certain = 50 * tf.one_hot([0, 0, 1, 2], 3)
    one = belief()
    follow(one, readings={DIRECT: SKEWED, AS_SOURCE: certain})
    np.testing.assert_allclose(tf.exp(one.align(DIRECT, SKEWED)), [[0.5, 0.25, 0.25]], atol=1e-3)
    np.testing.assert_allclose(one.shift(DIRECT), np.log([5, 1.25, 0.25 / 0.7]), atol=5e-3)


def test_alignment_is_by_reading():
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
    parts = {DIRECT: [0.8, 0.1, 0.1], TRANSLATED: [0.2, 0.6, 0.2], AS_SOURCE: [0.5, 0.3, 0.2]}
    readings = {name: tf.math.log([values]) for name, values in parts.items()}
    joint = np.prod(
        [np.power(v, w) for v, w in zip(parts.values(), (0.4, 0.3, 0.3), strict=True)], axis=0
    )
    np.testing.assert_allclose(belief().probabilities(readings), [joint / joint.sum()], rtol=1e-4)


@pytest.mark.parametrize("name", [DIRECT, TRANSLATED])
def test_one_reading_stands_alone(name):
    np.testing.assert_allclose(belief().probabilities({name: SKEWED}), [[0.1, 0.2, 0.7]], 1e-4)


def test_sharpness_is_a_power():
    squares = np.array([0.01, 0.04, 0.49])
    np.testing.assert_allclose(
        belief(sharpness=2.0).probabilities({DIRECT: SKEWED}), [squares / squares.sum()], rtol=1e-4
    )


def test_an_unseen_class_keeps_everything_finite():
    one = belief()
    certain = tf.constant([[60.0, -60.0, -60.0]])
    readings = {DIRECT: certain, AS_SOURCE: certain}
    follow(one, labels=[0], readings=readings)
    believed = one.probabilities({DIRECT: certain, TRANSLATED: -certain})
    assert np.all(np.isfinite(believed))
    np.testing.assert_allclose(np.sum(believed), 1, rtol=1e-5)


def test_nothing_of_it_is_trained():
    assert belief().trainable_variables == []
    assert len(belief().weights) == 7
