import keras
import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.layers.blocks import (
    ChannelNorm,
    Conv2D,
    DepthToSpace,
    LeakyReLU,
    ModulatedConvolution,
    Residual,
    SpaceToDepth,
    to_image,
)
from cdd_keras.layers.random import Draws


def features(*shape):
    return Draws(0).normal(shape)


def test_activation_leaks():
    np.testing.assert_allclose(LeakyReLU()(tf.constant([-5.0, 0.0, 5.0])), [-1, 0, 5])


def test_channel_norm_gives_each_pixel_unit_power():
    outputs = ChannelNorm()(7 * features(2, 3, 3, 8))
    np.testing.assert_allclose(np.mean(np.square(outputs), -1), 1, rtol=1e-4)


@pytest.mark.parametrize("layer", [SpaceToDepth(4), DepthToSpace(2)])
def test_blocks_that_do_not_fit_are_refused(layer):
    with pytest.raises(ValueError, match="multiple"):
        layer(features(2, 6, 8, 6))


def test_channel_norm_of_zeros_is_zero():
    np.testing.assert_array_equal(ChannelNorm()(tf.zeros((1, 2, 2, 4))), np.zeros((1, 2, 2, 4)))


def test_channel_norm_keeps_half_precision():
    layer = ChannelNorm(dtype="mixed_float16")
    # Squares of 500 are beyond float16.
    outputs = layer(tf.fill((1, 1, 1, 4), tf.constant(500.0, tf.float16)))
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, 1, rtol=1e-3)


def slopes(function, inputs, upstream):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(inputs)
    return tape.gradient(outputs, inputs, output_gradients=upstream)


def test_slopes_of_channel_norm_are_those_of_its_formula():
    inputs, upstream = features(2, 3, 3, 8), Draws(1).normal((2, 3, 3, 8))

    def formula(x):
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + 1e-6)

    expected = slopes(formula, inputs, upstream)
    np.testing.assert_allclose(slopes(ChannelNorm(), inputs, upstream), expected, atol=1e-5)
    half = ChannelNorm(dtype="mixed_bfloat16")
    found = slopes(half, *(tf.cast(one, tf.bfloat16) for one in (inputs, upstream)))
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=0.05)


def test_slopes_of_the_activation_are_kerass_to_the_second_order():
    inputs, weights = features(4, 5), Draws(1).normal((5, 5))
    found = []
    for activation in (LeakyReLU(), keras.layers.LeakyReLU(negative_slope=0.2)):
        # As R1 asks for: the gradient of a gradient's size.
        with tf.GradientTape() as outer:
            outer.watch(weights)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs = activation(activation(inputs @ weights) @ weights)
            size = tf.reduce_sum(tf.square(inner.gradient(outputs, inputs)))
        found.append([size, outer.gradient(size, weights)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((2, 8, 12, 3), {"padding": "same"}),
        ((2, 8, 8, 1), {"padding": "same", "use_bias": False}),
        # What blocks are not for: odd sides, no padding, features.
        ((2, 7, 8, 3), {"padding": "same"}),
        ((2, 8, 8, 3), {"padding": "valid"}),
        ((2, 8, 8, 5), {"padding": "same"}),
    ],
)
def test_convolution_of_images_by_blocks_is_kerass(shape, how):
    images = features(*shape)
    found = []
    for make in (Conv2D, keras.layers.Conv2D):
        layer = make(6, 4, 2, bias_initializer="ones", **how)
        layer.build(shape)
        layer.kernel.assign(Draws(1).normal(layer.kernel.shape))
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images)
            loss = tf.reduce_sum(tf.sin(outputs))
        found.append([outputs, *tape.gradient(loss, [images, layer.kernel.value])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_convolution_of_images_by_blocks_computes_in_its_own_precision():
    layer = Conv2D(6, 4, 2, padding="same", dtype="mixed_bfloat16")
    outputs = layer(features(2, 8, 8, 3))
    assert outputs.dtype == tf.bfloat16
    plain = keras.layers.Conv2D(6, 4, 2, padding="same")
    plain.build((2, 8, 8, 3))
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), plain(features(2, 8, 8, 3)), atol=0.05)


def test_convolution_of_images_of_any_size_is_kerass():
    layer = Conv2D(6, 4, 2, padding="same")
    layer.build((None, None, None, 3))
    anyhow = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    np.testing.assert_allclose(
        anyhow(features(2, 8, 8, 3)), layer(features(2, 8, 8, 3)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("block", [2, 4])
def test_space_to_depth_and_back_are_those_of_tensorflow(block):
    inputs = features(2, 8, 16, 3)
    packed = SpaceToDepth(block)(inputs)
    np.testing.assert_array_equal(packed, tf.nn.space_to_depth(inputs, block))
    back = DepthToSpace(block)(packed)
    assert back.shape == inputs.shape
    np.testing.assert_array_equal(back, inputs)


def test_residual_starts_as_the_identity():
    layer, inputs = Residual(6), features(2, 4, 4, 6)
    np.testing.assert_array_equal(layer(inputs), inputs)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs) ** 2)
    slopes = tape.gradient(loss, [v.value for v in layer.trainable_variables])
    assert any(np.any(slope != 0) for slope in slopes)


@pytest.fixture
def modulated():
    layer = ModulatedConvolution(5, classes=2)
    layer.build((None, 4, 4, 3))
    return layer


def test_two_values_start_alike(modulated):
    outputs = modulated(features(2, 4, 4, 3)[:1].numpy().repeat(2, 0), tf.constant([0, 1]))
    assert outputs.shape == (2, 4, 4, 5)
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)


def test_a_value_moves_its_own_rows_only(modulated):
    inputs, values = features(3, 4, 4, 3), tf.constant([0, 1, 0])
    before = modulated(inputs, values)
    modulated.shift.embeddings.assign_add(tf.constant([[0.0] * 5, [1.0] * 5]))
    change = np.abs(modulated(inputs, values) - before).max((1, 2, 3))
    np.testing.assert_array_equal(change > 1e-3, [False, True, False])


def test_many_values_start_apart():
    layer = ModulatedConvolution(5, classes=10)
    outputs = layer(tf.ones((10, 4, 4, 3)), tf.range(10))
    assert len(np.unique(outputs[:, 0, 0], axis=0)) == 10


def test_an_image_reaches_white_and_keeps_a_slope_there():
    outputs = tf.constant([-9.0, -1.6, 0.0, 0.5, 1.6])
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        pixels = to_image(outputs)
    np.testing.assert_allclose(pixels, [-1, -1, 0, 1.1 * np.tanh(0.5), 1], rtol=1e-6)
    assert np.abs(pixels).max() == 1
    slopes = 1.1 * (1 - np.tanh(outputs) ** 2)
    np.testing.assert_allclose(tape.gradient(pixels, outputs), slopes, rtol=1e-4, atol=1e-6)
