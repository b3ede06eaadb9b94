import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.layers.gradient_reversal import reverse_gradient


@pytest.mark.parametrize("kind", [tf.float32, tf.bfloat16])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_values_pass_and_slopes_are_turned_round(kind, strength):
    inputs = tf.constant([[1.0, -2.0], [0.5, 3.0]], kind)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = reverse_gradient(inputs, tf.constant(strength))
        loss = tf.reduce_sum(outputs * tf.constant([[1.0, 2.0], [3.0, 4.0]], kind))
    np.testing.assert_array_equal(outputs, inputs)
    slope = tf.cast(tape.gradient(loss, inputs), tf.float32)
    np.testing.assert_allclose(slope, -strength * np.array([[1, 2], [3, 4]]))
