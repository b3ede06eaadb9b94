"""Gradients that are the same in whatever order a batch's rows are added."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cdd_keras.layers.batch_norm import BatchNormalization
from cdd_keras.layers.blocks import Conv2D, Dense, Embedding, LeakyReLU, ModulatedConvolution
from cdd_keras.layers.random import Draws
from cdd_keras.layers.sums import BatchSums, are_exact

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
    with BatchSums(exact) as sums, tf.GradientTape() as tape:
        tape.watch(images)
        outputs = tf.cast(layer(images, training=True), tf.float32)
        weighted = Draws(1).normal(outputs.shape).numpy()[order]
        cost = tf.reduce_sum(outputs * weighted)
    found = tape.gradient(cost, [images, *sums.sources(layer.trainable_weights)])
    return outputs, found[0], sums.over_replicas(found[1:])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("policy", "room"), [("float32", 2e-4), ("mixed_bfloat16", 0.03)])
def test_exact_is_what_it_is_otherwise_but_for_rounding(name, policy, room):
    exactly = slopes(LAYERS[name](dtype=policy), exact=True)
    usually = slopes(LAYERS[name](), exact=False)
    for one, other in zip(*map(tf.nest.flatten, (exactly, usually)), strict=True):
        np.testing.assert_allclose(one, other, rtol=room, atol=room * np.abs(other).max())


def in_two_orders(name, exact):
    return [slopes(LAYERS[name](), exact, order) for order in (slice(None), RANDOM_ORDER)]


@pytest.mark.parametrize("name", LAYERS)
def test_the_order_of_rows_does_not_show_in_the_last_bit(name):
    (outputs, to_images, to_weights), moved = in_two_orders(name, exact=True)
    rows = [outputs.numpy()[RANDOM_ORDER], to_images.numpy()[RANDOM_ORDER]]
    assert tiny.equal([*rows, *to_weights], [*moved[:2], *moved[2]])


def test_it_shows_otherwise():
    found = [in_two_orders(name, exact=False) for name in LAYERS]
    assert not all(tiny.equal(one[2], moved[2]) for one, moved in found)


def test_few_enough_bits_are_left_that_orders_agree():
    numbers = tf.constant([1.0 + 2.0**-11, 1.0 + 2.0**-13, -3.0e7, 0.0, np.inf], tf.float64)
    rounded = BatchSums(True).over_replicas([numbers])[0].numpy()
    assert rounded[:4].tolist() == [1.0 + 2.0**-11, 1.0, -29999104.0, 0.0]
    assert not np.isfinite(rounded[4])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_table_of_values_sums_its_rows(policy):
    table = Embedding(3, 4, dtype=policy)
    rows = tf.constant([0, 2, 2, 0, 2])
    with BatchSums(True) as sums, tf.GradientTape() as tape:
        outputs = table(rows)
        cost = tf.reduce_sum(tf.cast(outputs, tf.float32) * [[1.0], [2.0], [3.0], [4.0], [5.0]])
    assert outputs.dtype == table.compute_dtype
    slope = tape.gradient(cost, sums.sources([table.embeddings]))[0]
    np.testing.assert_array_equal(slope[:, 0], [5, 0, 10])


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    "name", ["convolution", "over blocks of pixels", "without a bias", "dense"]
)
def test_second_derivatives_reach_the_weights(name, exact):
    """As R1 asks for: the gradient of a gradient's size, which is a square of the kernel's."""
    layer = LAYERS[name]()
    layer.build(IMAGES)
    images = Draws(0).normal((2, 8, 8, 3))

    def size():
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = LeakyReLU()(layer(images))
            cost = tf.reduce_sum(outputs * Draws(1).normal(outputs.shape))
        return tf.reduce_sum(tf.square(tape.gradient(cost, images)))

    kernel = layer.weights[0]
    with BatchSums(exact) as sums, tf.GradientTape() as outer:
        first = size()
    slope = outer.gradient(first, sums.sources([kernel]))[0].numpy()
    # Euler, of a function homogeneous of degree 2: it is, as long as no activation turns.
    np.testing.assert_allclose(np.sum(slope * kernel.numpy()), 2 * first, rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_layers_of_layers_are_summed_too(policy):
    images, values = Draws(0).normal((8, 4, 4, 3)), tf.constant([0, 1] * 4)
    found = []
    for exact, kind in ((True, policy), (False, "float32")):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(kind)
        layer = ModulatedConvolution(4, 2)
        keras.config.set_dtype_policy("float32")
        layer.build((None, 4, 4, 3))
        with BatchSums(exact) as sums, tf.GradientTape() as tape:
            cost = tf.reduce_mean(tf.square(tf.cast(layer(images, values), tf.float32)))
        slopes = tape.gradient(cost, sums.sources(layer.trainable_weights))
        found.append(sums.over_replicas([tf.convert_to_tensor(one) for one in slopes]))
    assert len(found[0]) == 4
    room = 2e-4 if policy == "float32" else 0.05
    for exactly, usually in zip(*found, strict=True):
        np.testing.assert_allclose(exactly, usually, atol=room * np.abs(usually).max())


def test_it_is_exact_inside_alone():
    assert not are_exact()
    with BatchSums(True):
        assert are_exact()
        with BatchSums(False):
            assert not are_exact()
        assert are_exact()
    assert not are_exact()


@pytest.mark.parametrize("kind", [Dense, lambda *args, **more: Conv2D(*args, 3, **more)])
def test_an_activation_is_refused(kind):
    with pytest.raises(ValueError, match=r"Expected no activation\. Received relu"):
        kind(3, activation="relu")
