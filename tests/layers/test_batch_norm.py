import keras
import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.layers import batch_norm
from cdd_keras.layers.batch_norm import BatchNormalization
from cdd_keras.layers.random import Draws
from cdd_keras.layers.sums import BatchSums

SHAPE = (4, 3, 2, 5)


def pair(**settings):
    """Ours and Keras's with the same weights, none of them as they begin."""
    draws = np.random.default_rng(0)
    layers = [
        kind(momentum=0.9, **settings)
        for kind in (BatchNormalization, keras.layers.BatchNormalization)
    ]
    weights = [draws.uniform(0.5, 1.5, 5) for _ in range(4)]
    for layer in layers:
        layer.build(SHAPE)
        layer.set_weights(weights)
    return layers


@pytest.fixture(params=["kernel", "replicas", "exact"])
def way(request):
    """How training computes it: settings of our layer, and inside what."""
    on = request.param == "exact"
    with BatchSums(on):
        yield {"synchronized": request.param == "replicas"}


def inputs(seed=1):
    return tf.constant(3 + 2 * np.random.default_rng(seed).normal(size=SHAPE), tf.float32)


@pytest.mark.parametrize("training", [True, False])
def test_outputs_slopes_and_statistics_are_those_of_keras(training, way):
    found = []
    for layer in pair(**way):
        images = inputs()
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=training)
            cost = tf.reduce_sum(outputs * inputs(2))
        slopes = tape.gradient(cost, [images, *(v.value for v in layer.trainable_variables)])
        found.append([outputs, *slopes, *layer.get_weights()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (training is False) == np.array_equal(found[0][-1], pair()[0].get_weights()[-1])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [True, False])
def test_after_a_convolution_it_is_the_norm_of_what_that_gives(training, policy):
    convolution = keras.layers.Conv2D(5, 3, 2, padding="same", use_bias=False, dtype=policy)
    convolution.build((None, 8, 8, 3))
    images = Draws(0).normal((4, 8, 8, 3))
    found = []
    for folded in (True, False):
        layer, _ = pair(dtype=policy)
        with tf.GradientTape() as tape:
            tape.watch(images)
            if folded:
                outputs = layer.after(convolution, images, training)
            else:
                outputs = layer(convolution(images), training=training)
        watched = [images, layer.gamma.value, convolution.kernel.value]
        found.append([outputs, *tape.gradient(outputs, watched), *layer.get_weights()])
    room = 1e-4 if policy == "float32" else 0.05
    for one, other in zip(*found, strict=True):
        one, other = (tf.cast(values, tf.float32) for values in (one, other))
        np.testing.assert_allclose(one, other, rtol=room, atol=room * np.abs(other).max())


def test_half_precision_is_normed_in_float32(way):
    ours, theirs = pair(dtype="mixed_bfloat16", **way)
    outputs = [layer(inputs(), training=True) for layer in (ours, theirs)]
    assert outputs[0].dtype == tf.bfloat16
    np.testing.assert_allclose(*(tf.cast(one, tf.float32) for one in outputs), atol=0.02)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_what_does_not_learn_needs_no_gradient_of_the_kernel():
    """GPUs have no deterministic one."""
    layer, _ = pair()

    @tf.function
    def slopes(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=False)
        return tape.gradient(outputs, images)

    graph = slopes.get_concrete_function(inputs()).graph
    assert not [one.type for one in graph.get_operations() if "FusedBatchNormGrad" in one.type]


@pytest.mark.parametrize("settings", [{"scale": False}, {"center": False}, {"axis": 1}])
def test_what_the_kernel_does_not_have_is_refused(settings):
    with pytest.raises(ValueError, match="Expected an axis of -1, a scale and an offset"):
        BatchNormalization(**settings)


def test_only_plain_convolutions_are_folded():
    layer = keras.layers.Conv2D(4, 3)
    layer.build((None, 8, 8, 3))
    norm = BatchNormalization()
    norm.build((None, 6, 6, 4))
    with pytest.raises(ValueError, match="bias"):
        norm.after(layer, tf.zeros((1, 8, 8, 3)))


@pytest.mark.parametrize("exact", [False, True])
def test_the_batch_of_several_replicas_is_normed_as_one(exact, monkeypatch):
    """Two halves, whose means over replicas are made of what both came to before."""
    whole, upstream, known = inputs(), inputs(2), []

    def run(rows):
        calls = []

        def mean(tensors):
            calls.append(tensors)
            return known[len(calls) - 1] if len(calls) <= len(known) else tensors

        monkeypatch.setattr(batch_norm, "mean_over_replicas", mean)
        layer, _ = pair(synchronized=True)
        images = whole[rows]
        with BatchSums(exact) as sums, tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images, training=True)
        watched = [images, *sums.sources(layer.trainable_variables)]
        slopes = tape.gradient(outputs, watched, output_gradients=upstream[rows])
        return calls, outputs, slopes, layer.get_weights()[2:]

    halves = slice(0, 2), slice(2, 4)
    for number in range(2):
        both = zip(*(run(half)[0][number] for half in halves), strict=True)
        known.append([(one + other) / 2 for one, other in both])
    parts = [run(half) for half in halves]
    known.clear()
    _, outputs, (to_images, *to_weights), statistics = run(slice(None))
    np.testing.assert_allclose(tf.concat([part[1] for part in parts], 0), outputs, rtol=1e-5)
    np.testing.assert_allclose(
        tf.concat([part[2][0] for part in parts], 0), to_images, rtol=1e-4, atol=1e-5
    )
    for one, other, total in zip(parts[0][2][1:], parts[1][2][1:], to_weights, strict=True):
        np.testing.assert_allclose(one + other, total, rtol=1e-4)
    for part in parts:
        np.testing.assert_allclose(part[3], statistics, rtol=1e-5)
