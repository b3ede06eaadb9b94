import numpy as np
import pytest
import tensorflow as tf
from tiny import BATCH, config, floats

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.layers.augment import jitter_colour, shift
from cdd_keras.layers.random import Draws
from cdd_keras.networks import Discriminator
from cdd_keras.networks.discriminator import halvings_beyond_32


@pytest.fixture(scope="module")
def discriminator():
    network = Discriminator(config(), outputs=3, classes=2)
    network.build()
    return network


@pytest.mark.parametrize(
    ("size", "count"), [(16, 0), (32, 0), (36, 1), (64, 1), (128, 2), (256, 3)]
)
def test_larger_images_get_more_levels(size, count):
    assert halvings_beyond_32(size) == count


def test_outputs_have_shapes(discriminator):
    for domain in DOMAINS:
        assert discriminator.realness(floats(), domain).shape == (BATCH, 3)
        assert discriminator.class_logits(floats(), domain).shape == (BATCH, 2)


def test_images_are_seen_in_blocks_in_every_view_of_training(discriminator):
    # Its first convolution is an operation of its own, which a lost size would turn off.
    @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3))])
    def realness(images):
        view = shift(jitter_colour(images, Draws(0)), Draws(0), most=2, flip=True)
        return discriminator.realness(view, SOURCE)

    operations = realness.get_concrete_function().graph.get_operations()
    first = next(one for one in operations if one.type == "Conv2D")
    assert first.inputs[0].shape.as_list() == [None, 9, 9, 12]


def test_a_larger_image_ends_on_the_same_grid():
    shapes = []
    for size in (32, 64):
        network = Discriminator(config(image_size=size), outputs=1)
        network.build()
        shapes.append(network.features.compute_output_shape((None, size, size, 3)))
    assert shapes[0] == shapes[1] == (None, 4, 4, 16)


def test_no_class_head_unless_asked():
    network = Discriminator(config(), outputs=3)
    network.build()
    assert network.class_head is None


def test_the_class_head_is_shared_and_the_realness_heads_private(discriminator):
    before = discriminator.class_logits(floats(), TARGET)
    realness = discriminator.realness(floats(), TARGET)
    source_head = discriminator.realness_head.heads[SOURCE].layers[-1]
    source_head.bias.assign_add(tf.ones(3))
    np.testing.assert_array_equal(discriminator.realness(floats(), TARGET), realness)
    discriminator.class_head.layers[-1].bias.assign_add(tf.constant([1.0, 0.0]))
    moved = discriminator.class_logits(floats(), TARGET) - before
    np.testing.assert_allclose(moved, [[1, 0]] * BATCH, atol=1e-5)


def test_the_gradient_reaches_the_image(discriminator):
    images = tf.constant(floats())
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = discriminator.realness(images, SOURCE)
    assert np.all(np.abs(tape.gradient(outputs, images)).sum((1, 2, 3)) > 0)


def test_the_class_head_is_blind_to_colour_unless_raw(discriminator):
    images = tf.constant(floats())
    grey = tf.reduce_mean(images, -1, keepdims=True) + tf.zeros_like(images)
    raw = Discriminator(config(classifier_input="raw"), outputs=1, classes=2)
    raw.build()
    for network, blind in ((discriminator, True), (raw, False)):
        read = [network.class_logits(one, SOURCE) for one in (images, grey)]
        assert np.allclose(*read, atol=1e-5) == blind
    # Realness is a matter of colour too.
    seen = [discriminator.realness(one, SOURCE) for one in (images, grey)]
    assert not np.allclose(*seen, atol=1e-3)


def test_it_may_see_one_domain():
    network = Discriminator(config(), outputs=3, domains=(TARGET,))
    network.build()
    assert network.realness(floats(), TARGET).shape == (BATCH, 3)
    assert set(network.features.stems) == {TARGET}
