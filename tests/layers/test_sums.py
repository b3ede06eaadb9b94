"""Gradients that are the same in whatever order a batch's rows are added."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from cdd_keras.layers.batch_norm import BatchNormalization
from cdd_keras.layers.blocks import Conv2D, Dense, Embedding, LeakyReLU, ModulatedConvolution
from cdd_keras.layers.random import Draws
from cdd_keras.layers.sums import are_exact, exact_sums

ROWS = 64
IMAGES = (ROWS, 8, 8, 3)
LAYERS = {
    "convolution": lambda **kind: Conv2D(5, 3, padding="same", **kind),
    "over blocks of pixels": lambda **kind: Conv2D(5, 4, 2, padding="same", **kind),
    "without a bias": lambda **kind: Conv2D(5, 1, use_bias=False, **kind),
    "dense": lambda **kind: Dense(5, **kind),
    "batch norm": lambda **kind: BatchNormalization(**kind),
}
RANDOM_ORDER = np.random.default_rng(0).permutation(ROWS)


def slopes(layer, exact, order=slice(None)):
    """Outputs, and slopes to the images and the weights, of a cost; rows come in an `order`."""
    layer.build(IMAGES)
    for weight in layer.weights:
        weight.assign(1 + 0.5 * np.random.default_rng(1).normal(size=weight.shape))
    images = tf.constant(Draws(0).normal(IMAGES).numpy()[order])
    with exact_sums(exact), tf.GradientTape() as tape:
        tape.watch(images)
        outputs = tf.cast(layer(images, training=True), tf.float32)
        weighted = Draws(1).normal(outputs.shape).numpy()[order]
        cost = tf.reduce_sum(outputs * weighted)
    watched = [images, *(weight.value for weight in layer.trainable_weights)]
    to_images, *to_weights = tape.gradient(cost, watched)
    return outputs, to_images, to_weights


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("policy", "room"), [("float32", 1e-5), ("mixed_bfloat16", 0.03)])
def test_exact_is_what_it_is_otherwise_but_for_rounding(name, policy, room):
    exactly = slopes(LAYERS[name](dtype=policy), exact=True)
    usually = slopes(LAYERS[name](), exact=False)
    for one, other in zip(*map(tf.nest.flatten, (exactly, usually)), strict=True):
        np.testing.assert_allclose(one, other, rtol=room, atol=room * np.abs(other).max())


def differ_by_order(name, exact):
    found = [slopes(LAYERS[name](), exact, by) for by in (slice(None), RANDOM_ORDER)]
    (_, to_images, to_weights), (_, moved, others) = found
    assert tiny.equal([moved], [to_images.numpy()[RANDOM_ORDER]]) or not exact
    return not tiny.equal(to_weights, others)


@pytest.mark.parametrize("name", LAYERS)
def test_the_order_of_rows_does_not_show_in_the_last_bit(name):
    assert not differ_by_order(name, exact=True)


def test_it_shows_otherwise():
    assert any(differ_by_order(name, exact=False) for name in LAYERS)


def test_a_table_of_values_sums_its_rows():
    table = Embedding(3, 4)
    rows = tf.constant([0, 2, 2, 0, 2])
    with exact_sums(), tf.GradientTape() as tape:
        cost = tf.reduce_sum(table(rows) * [[1.0], [2.0], [3.0], [4.0], [5.0]])
    np.testing.assert_array_equal(tape.gradient(cost, table.embeddings.value)[:, 0], [5, 0, 10])


@pytest.mark.parametrize("exact", [True, False])
def test_second_derivatives_reach_the_weights(exact):
    """As R1 asks for: the gradient of a gradient's size, here known by a formula."""
    layer = Conv2D(1, 1)
    layer.build((None, 4, 4, 3))
    kernel = layer.kernel.value
    images = Draws(0).normal((2, 4, 4, 3))
    with exact_sums(exact), tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(images)
            outputs = LeakyReLU()(layer(images))
        size = tf.reduce_sum(tf.square(inner.gradient(outputs, images)))
    # Each pixel's slope is the kernel, or a fifth of it.
    leaks = np.where(outputs.numpy() > 0, 1.0, 0.04).sum()
    np.testing.assert_allclose(outer.gradient(size, kernel), 2 * leaks * kernel, rtol=1e-5)


def test_layers_of_layers_are_summed_too():
    layer = ModulatedConvolution(4, 2)
    layer.build((None, 4, 4, 3))
    images, values = Draws(0).normal((8, 4, 4, 3)), tf.constant([0, 1] * 4)
    found = []
    for exact in (True, False):
        with exact_sums(exact), tf.GradientTape() as tape:
            cost = tf.reduce_mean(tf.square(layer(images, values)))
        found.append(tape.gradient(cost, [weight.value for weight in layer.trainable_weights]))
    assert len(found[0]) == 4
    for exactly, usually in zip(*found, strict=True):
        usually = tf.convert_to_tensor(usually)
        np.testing.assert_allclose(exactly, usually, rtol=1e-4, atol=1e-6)


def test_it_is_exact_inside_alone():
    assert not are_exact()
    with exact_sums():
        assert are_exact()
        with exact_sums(False):
            assert not are_exact()
        assert are_exact()
    assert not are_exact()
