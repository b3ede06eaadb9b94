"""The layer that lets features learn against what is read in them."""

import tensorflow as tf


@tf.custom_gradient
def reverse_gradient(inputs, strength):
    """The inputs as they are, whose gradient is turned round: R(x) = x, dR/dx = -strength.

    Ganin et al., "Domain-Adversarial Training of Neural Networks" (JMLR 2016), equations 14-15.

    Args:
        inputs: float tensor of any shape.
        strength: float32 scalar, 0 to 1.
    """
    return tf.identity(inputs), lambda slope: (-tf.cast(strength, slope.dtype) * slope, None)
