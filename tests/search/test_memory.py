"""Memory: what of TensorFlow is relied on, and that it lets go."""

import tensorflow as tf
from tensorflow.python.framework import ops

from cdd_keras.search.memory import forgotten


def test_gradients_traced_inside_leave_tensorflows_registry():
    # Private, so another TensorFlow may call it otherwise: `memory.py` is to follow then.
    registry = ops.gradient_registry._registry
    assert isinstance(registry, dict)

    @tf.custom_gradient
    def same(x):
        return x, lambda upstream: upstream

    before = set(registry)
    with forgotten():
        tf.function(lambda x: same(x)).get_concrete_function(tf.TensorSpec((), tf.float32))
        assert set(registry) - before
    assert set(registry) == before
