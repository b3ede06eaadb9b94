import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, config, floats, labels

from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.layers.random import Draws
from cdd_keras.networks import Classifier

IMAGES = tf.constant(floats())


def build(private=True, classes=2, **settings):
    classifier = Classifier(config(**settings), classes, private)
    classifier.build()
    return classifier


def moving(classifier, domain):
    return np.concatenate([norm.moving_mean for norm in classifier.norms[domain]])


@pytest.mark.parametrize("size", [16, 20, 64])
def test_logits_have_a_column_a_class(size):
    classifier = build(classes=10, image_size=size)
    assert classifier(tf.zeros((2, size, size, 3)), domain=TARGET).shape == (2, 10)


def test_reading_is_deterministic_and_leaves_the_statistics_alone():
    classifier = build()
    before = moving(classifier, SOURCE)
    first, second = (classifier(IMAGES, domain=SOURCE) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(moving(classifier, SOURCE), before)


def test_teaching_moves_the_statistics_of_one_domain():
    classifier = build()
    classifier(IMAGES, domain=TARGET, training=True, draws=Draws(0))
    assert np.any(moving(classifier, TARGET) != 0)
    np.testing.assert_array_equal(moving(classifier, SOURCE), 0)


def test_noise_and_dropout_follow_the_draws():
    classifier = build()
    one, again, other = (
        classifier(IMAGES, domain=SOURCE, training=True, draws=Draws(0, step)) for step in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_domains_read_differently_only_where_private():
    private, shared = build(), build(private=False)
    assert not np.array_equal(private(IMAGES, domain=SOURCE), private(IMAGES, domain=TARGET))
    np.testing.assert_array_equal(shared(IMAGES, domain=SOURCE), shared(IMAGES, domain=TARGET))
    assert len(private.trainable_variables) > len(shared.trainable_variables)


def test_batch_norms_alone_may_be_private():
    classifier = Classifier(config(), 2, private=True, private_stems=False)
    classifier.build()
    assert classifier.stems[SOURCE] is classifier.stems[TARGET]
    # Statistics of its own change what a domain sees; a shared kernel is counted once.
    classifier(IMAGES, domain=TARGET, training=True, draws=Draws(0))
    assert np.any(moving(classifier, TARGET) != moving(classifier, SOURCE))
    norms = 2 * 2 * len(classifier.norms[SOURCE])
    assert len(classifier.trainable_variables) == norms + len(classifier.norms[SOURCE]) + 2


def test_normalised_input_is_blind_to_colour():
    grey = tf.reduce_mean(IMAGES, -1, keepdims=True) + tf.zeros_like(IMAGES)
    normalised, raw = build(), build(classifier_input="raw")
    read = [classifier(IMAGES, domain=SOURCE) for classifier in (normalised, raw)]
    read_grey = [classifier(grey, domain=SOURCE) for classifier in (normalised, raw)]
    np.testing.assert_allclose(read[0], read_grey[0], atol=1e-5)
    assert not np.allclose(read[1], read_grey[1], atol=1e-3)


def test_trained_on_a_batch_it_reads_it():
    classifier = build(private=False, channels=8)
    variables = [v.value for v in classifier.trainable_variables]
    history = []
    for _ in range(12):
        with tf.GradientTape() as tape:
            logits = classifier(IMAGES, domain=SOURCE, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels(BATCH), logits)
            )
        for variable, slope in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.05 * slope)
        history.append(float(loss))
    assert history[-1] < 0.5 * history[0]
