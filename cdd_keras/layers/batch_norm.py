"""Batch norm in one operation."""

import keras
import tensorflow as tf

from cdd_keras.layers.sums import WIDE, are_exact, stand_in
from cdd_keras.replicas import mean_over_replicas


@keras.saving.register_keras_serializable("cdd_keras")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's, over the last axis, by TensorFlow's fused kernel instead of a dozen operations.

    They were 14 % of the time of a step in bfloat16, most of it conversions to float32 and back,
    which the kernel does as it goes. Two things are otherwise. Where statistics are of several
    devices, or exact sums, they and the gradient are ours: the kernel sees one device's batch. And
    a norm that does not learn has a gradient of ours, a product with its scale: the kernel's is not
    deterministic on GPUs, and TensorFlow refuses it where determinism is asked for.

    Raises:
        ValueError: an option of Keras's that the kernel does not have.
    """

    def __init__(self, **settings):
        super().__init__(**settings)
        if self.renorm or not (self.scale and self.center) or self.axis != -1:
            raise ValueError("Expected an axis of -1, a scale and an offset, and no `renorm`.")

    def call(self, inputs, training=None):
        if not (training and self.trainable):
            return self._settled(inputs)
        normed = self._by_formula if self.synchronized or are_exact() else self._by_kernel
        outputs, mean, variance = normed(inputs)
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)
        return outputs

    def after(self, convolution, inputs, training=False):
        """The norm of a convolution's outputs; one that does not learn is folded into the kernel.

        Args:
            convolution: a `Conv2D` without a bias or an activation.
            inputs: float (batch, height, width, channels).
            training: whether the norm uses, and learns from, this batch.

        Returns:
            (batch, height, width, filters), in the convolution's kind of number.

        Raises:
            ValueError: the convolution has what folding would leave out.
        """
        plain = (convolution.use_bias, convolution.activation, convolution.groups)
        if plain != (False, keras.activations.linear, 1) or convolution.dilation_rate != (1, 1):
            raise ValueError(
                "Expected a convolution without bias, activation, groups or dilation. Received "
                f"{convolution.get_config()}."
            )
        if training and self.trainable:
            return self(convolution(inputs), training=True)
        scale, offset = self._factors()
        dtype = convolution.compute_dtype
        # Within a layer's call Keras hands the kernel out in half precision, these in full.
        kernel = tf.cast(convolution.kernel.value, scale.dtype)
        outputs = tf.nn.conv2d(
            tf.cast(inputs, dtype),
            tf.cast(kernel * scale, dtype),
            convolution.strides,
            convolution.padding.upper(),
        )
        return tf.nn.bias_add(outputs, tf.cast(offset, dtype))

    def _by_kernel(self, inputs):
        """Outputs, mean and variance of this device's batch."""
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
        )
        count = tf.cast(tf.size(inputs) / tf.size(mean), tf.float32)
        # The kernel gives the unbiased variance, for which Keras takes the batch's own.
        return outputs, mean, variance * (count - 1) / count

    def _by_formula(self, inputs):
        """Outputs, mean and variance of the batch of all replicas; differentiable once.

        Ioffe and Szegedy, "Batch Normalization" (ICML 2015), algorithm 1 and the slopes below it.
        """
        axes = list(range(inputs.shape.rank - 1))

        @tf.custom_gradient
        def normed(inputs, gamma, beta):
            wide = tf.cast(inputs, WIDE)
            moments = [tf.reduce_mean(part, axes) for part in (wide, tf.square(wide))]
            mean, power = mean_over_replicas(moments)
            # For inputs that are all alike it may come out below 0.
            variance = tf.cast(tf.maximum(power - tf.square(mean), 0.0), tf.float32)
            mean = tf.cast(mean, tf.float32)
            scale = tf.math.rsqrt(variance + self.epsilon)
            normal = (tf.cast(inputs, tf.float32) - mean) * scale
            slope = tf.cast(gamma, tf.float32)

            def slopes(upstream, *_):
                upstream = tf.cast(upstream, tf.float32)
                parts = [tf.cast(part, WIDE) for part in (upstream, upstream * normal)]
                means = mean_over_replicas([tf.reduce_mean(part, axes) for part in parts])
                along, across = (tf.cast(one, tf.float32) for one in means)
                to_inputs = slope * scale * (upstream - along - normal * across)
                to_beta, to_gamma = (tf.cast(tf.reduce_sum(p, axes), gamma.dtype) for p in parts)
                return tf.cast(to_inputs, inputs.dtype), to_gamma, to_beta

            outputs = tf.cast(normal * slope + tf.cast(beta, tf.float32), inputs.dtype)
            return (outputs, mean, variance), slopes

        return normed(inputs, stand_in(self.gamma), stand_in(self.beta))

    def _settled(self, inputs):
        return _scale(inputs, *self._factors())

    def _factors(self):
        scale = self.gamma.value * tf.math.rsqrt(self.moving_variance.value + self.epsilon)
        return scale, self.beta.value - self.moving_mean.value * scale

    def _move(self, average, value):
        average.assign(average * self.momentum + value * (1 - self.momentum))


@tf.custom_gradient
def _scale(inputs, scale, offset):
    """`inputs * scale + offset` by the kernel, a mean of 0 and a variance of 1 given to it."""
    outputs, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=scale,
        offset=offset,
        mean=tf.zeros_like(scale),
        variance=tf.ones_like(scale),
        epsilon=0.0,
        is_training=False,
    )

    def slopes(upstream):
        along = tf.cast(upstream, tf.float32)
        axes = list(range(inputs.shape.rank - 1))
        return (
            upstream * tf.cast(scale, upstream.dtype),
            tf.reduce_sum(along * tf.cast(inputs, tf.float32), axes),
            tf.reduce_sum(along, axes),
        )

    return outputs, slopes
