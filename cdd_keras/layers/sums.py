"""Sums over a batch that are the same on however many devices the batch is computed.

What a network makes of one image does not depend on the others, but weights' gradients and batch
norm's statistics are sums over all of them, and in float32 a sum depends on the order of its
terms. A different last bit turns the slope of a leaky ReLU somewhere, and from there two trainings
part. Added in float64 and rounded once, a sum is the same in any order, but for one in millions.
"""

import contextlib
from contextvars import ContextVar

import tensorflow as tf

from cdd_keras.replicas import sum_over_replicas

WIDE = tf.float64
_EXACT = ContextVar("exact_sums", default=False)


@contextlib.contextmanager
def exact_sums(on=True):
    """Where `on`, layers called inside sum their weights' gradients in float64, over all replicas.

    These gradients are then of the whole batch, and not to be summed over replicas again.
    """
    before = _EXACT.set(on)
    try:
        yield
    finally:
        _EXACT.reset(before)


def are_exact():
    """Whether the code is within `exact_sums`."""
    return _EXACT.get()


class ExactlySummed:
    """Mixin of a Keras layer: within `exact_sums` its weights' gradients are exact sums.

    The layer has an `operation(inputs, *weights)` that is what its `call` gives, affine in its
    inputs, floating or indices, and that computes in the weights' dtype.
    """

    def call(self, inputs, **kwargs):
        if not are_exact():
            return super().call(inputs, **kwargs)
        return _exact(self.operation, inputs, *map(tf.convert_to_tensor, self.weights))


def _exact(operation, inputs, *weights):
    differentiable = inputs.dtype.is_floating

    @tf.custom_gradient
    def forward(inputs, *weights):
        def slopes(upstream):
            to_inputs = None
            if differentiable:
                # A second derivative, as R1 needs it, meets the weights here.
                to_inputs = _exact(backward, upstream, *weights)
            wide = [tf.cast(weight, WIDE) for weight in weights]
            seen = tf.cast(inputs, WIDE) if differentiable else inputs
            with tf.GradientTape() as tape:
                tape.watch(wide)
                outputs = operation(seen, *wide)
            none = tf.UnconnectedGradients.ZERO
            found = tape.gradient(outputs, wide, tf.cast(upstream, WIDE), none)
            # Those of a table come by its rows.
            sums = sum_over_replicas([tf.convert_to_tensor(one) for one in found])
            return [to_inputs, *(tf.cast(s, w.dtype) for s, w in zip(sums, weights, strict=True))]

        def backward(upstream, *weights):
            # Of what is affine it is the same everywhere.
            anywhere = tf.zeros(tf.shape(inputs), upstream.dtype)
            anywhere.set_shape(inputs.shape)
            with tf.GradientTape() as tape:
                tape.watch(anywhere)
                outputs = operation(anywhere, *weights)
            return tape.gradient(outputs, anywhere, upstream)

        return operation(inputs, *weights), slopes

    return forward(inputs, *weights)
