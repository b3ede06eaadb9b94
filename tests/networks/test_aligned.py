import numpy as np
import pytest
import tensorflow as tf
from tiny import config, images

from cdd_keras.data import to_float
from cdd_keras.domains import SOURCE, TARGET
from cdd_keras.networks import AlignedClassifier

COUNT = 60


def made(seed, classes):
    """Images of which a class has a bright patch in a place of its own, and their labels."""
    labels = np.arange(COUNT) % classes
    pictures = images(seed, COUNT) // 4
    for picture, label in zip(pictures, labels, strict=True):
        picture[4 * label : 4 * label + 4] = 255
    return to_float(pictures), labels


def build(classes):
    network = AlignedClassifier(config(), classes)
    network.build()
    return network


@pytest.mark.parametrize("classes", [2, 3])
def test_the_target_is_read_in_aligned_subspaces(classes):
    network = build(classes)
    (source, labels), (target, truth) = made(0, classes), made(1, classes)
    np.testing.assert_array_equal(network(target, domain=TARGET), np.zeros((COUNT, classes)))
    before = network(source, domain=SOURCE)
    network.align({SOURCE: source, TARGET: target}, labels)
    assert np.mean(np.argmax(network(target, domain=TARGET), -1) == truth) > 0.9
    # The source goes on being read by the head.
    np.testing.assert_array_equal(network(source, domain=SOURCE), before)


def test_one_domain_twice_is_its_own_alignment():
    network = build(2)
    source, labels = made(0, 2)
    network.align({SOURCE: source, TARGET: source}, labels)
    directions = network.directions.numpy()
    np.testing.assert_allclose(directions.T @ directions, np.eye(40), atol=1e-4)
    read = network(source, domain=TARGET)
    np.testing.assert_array_equal(np.argmax(read, -1), labels)


def test_a_value_that_no_label_shows_is_not_read():
    network = build(4)
    source, labels = made(0, 2)
    network.align({SOURCE: source, TARGET: source}, labels)
    assert set(np.argmax(network(source, domain=TARGET), -1)) == {0, 1}


def test_few_images_leave_dimensions_unused():
    network = build(2)
    source, labels = made(0, 2)
    network.align({SOURCE: source[:10], TARGET: source[:6]}, labels[:10])
    assert np.count_nonzero(np.abs(network.directions.numpy()).sum(0)) <= 6
    assert np.isfinite(network(source, domain=TARGET)).all()


def test_an_alignment_is_copied():
    one, other = build(2), build(2)
    source, labels = made(0, 2)
    one.align({SOURCE: source, TARGET: source}, labels)
    other.copy_alignment(one)
    for name in ("mean", "directions", "kernel", "bias"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
        assert not getattr(other, name).trainable
    assert tf.reduce_max(tf.abs(other.kernel)) > 0
