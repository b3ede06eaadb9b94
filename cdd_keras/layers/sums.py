"""Sums over a batch that are the same on however many devices the batch is computed.

What a network makes of one image does not depend on the others, but weights' gradients and batch
norm's statistics are sums over all of them, and in float32 a sum depends on the order of its
terms. A different last bit turns the slope of a leaky ReLU somewhere, and from there two trainings
part. Added in float64 and rounded once, a sum is the same in any order.
"""

from contextvars import ContextVar

import keras
import tensorflow as tf

from cdd_keras.replicas import sum_over_replicas

WIDE = tf.float64
# Two orders differ in the last bits of a float64. That one of millions of sums a step lies where
# this shows, on the border between two numbers it may be rounded to, happens once in ten steps
# with the 24 bits of a float32; with these, once in four thousand times as many.
BITS = 12
_SPLIT = 2.0 ** (53 - BITS) + 1.0
_CURRENT = ContextVar("batch_sums", default=None)


class BatchSums:
    """How gradients to weights are added, over a batch and over replicas.

    Within exact ones layers compute with float64 stand-ins of their weights, and gradients to
    those are sums in float64 of all the places where a weight is used.

    Args:
        exact: whether they are to be the same on any number of devices.
    """

    def __init__(self, exact):
        self.exact = exact
        self._stand_ins = {}

    def __enter__(self):
        self._before = _CURRENT.set(self if self.exact else None)
        return self

    def __exit__(self, *_):
        _CURRENT.reset(self._before)

    def stand_in(self, variable):
        """A Keras variable's value in float64, the same tensor each time."""
        if id(variable) not in self._stand_ins:
            self._stand_ins[id(variable)] = tf.cast(tf.convert_to_tensor(variable), WIDE)
        return self._stand_ins[id(variable)]

    def sources(self, variables):
        """What gradients are to be taken to: stand-ins, where there are any, or the values."""
        return [self._stand_ins.get(id(variable), variable.value) for variable in variables]

    def over_replicas(self, gradients):
        """The sums over replicas of a structure of gradients to `sources`; rounded if exact."""
        if not self.exact:
            return sum_over_replicas(gradients)
        wide = tf.nest.map_structure(lambda one: tf.cast(one, WIDE), gradients)
        return tf.nest.map_structure(
            lambda one: tf.cast(_rounded(one), tf.float32), sum_over_replicas(wide)
        )


def are_exact():
    """Whether the code is within exact `BatchSums`."""
    return _CURRENT.get() is not None


def stand_in(variable):
    """A Keras variable's `BatchSums.stand_in` within exact ones, else its value."""
    current = _CURRENT.get()
    return tf.convert_to_tensor(variable) if current is None else current.stand_in(variable)


class ExactlySummed:
    """Mixin of a Keras layer: within exact `BatchSums` its weights' gradients are exact sums.

    The layer has an `operation(inputs, *weights)` that is what its `call` gives, affine in floating
    inputs, and that computes in the weights' kind of number.

    Raises:
        ValueError: the layer has an activation.
    """

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        if getattr(self, "activation", keras.activations.linear) != keras.activations.linear:
            raise ValueError(f"Expected no activation. Received {self.activation.__name__}.")

    def call(self, inputs, **kwargs):
        sums = _CURRENT.get()
        if sums is None:
            return super().call(inputs, **kwargs)
        wide = [sums.stand_in(weight) for weight in self.weights]
        return _exact(self.operation, self.compute_dtype, inputs, *wide)


def _exact(operation, dtype, inputs, *wide):
    """`operation` on inputs and weights in a dtype, with gradients to the weights in float64."""
    differentiable = inputs.dtype.is_floating

    @tf.custom_gradient
    def forward(inputs, *wide):
        def slopes(upstream):
            to_inputs = None
            if differentiable:
                # A second derivative, as R1 needs it, meets the weights here.
                to_inputs = _exact(backward, dtype, upstream, *wide)
            seen = tf.cast(inputs, WIDE) if differentiable else inputs
            with tf.GradientTape() as tape:
                tape.watch(wide)
                outputs = operation(seen, *wide)
            none = tf.UnconnectedGradients.ZERO
            found = tape.gradient(outputs, list(wide), tf.cast(upstream, WIDE), none)
            # Those of a table come by its rows.
            return [to_inputs, *map(tf.convert_to_tensor, found)]

        def backward(upstream, *weights):
            # The slope of an affine map is the same everywhere: zeros do.
            zeros = tf.zeros(tf.shape(inputs), upstream.dtype)
            zeros.set_shape(inputs.shape)
            with tf.GradientTape() as tape:
                tape.watch(zeros)
                outputs = operation(zeros, *weights)
            return tape.gradient(outputs, zeros, upstream)

        return operation(inputs, *(tf.cast(weight, dtype) for weight in wide)), slopes

    return forward(inputs, *wide)


def _rounded(wide):
    """To `BITS` significant bits: Dekker, "A floating-point technique" (1971), section 5."""
    large = wide * _SPLIT
    return large - (large - wide)
