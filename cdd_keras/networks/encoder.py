"""Image -> posterior of the latent code."""

import keras
import tensorflow as tf

from cdd_keras.layers.blocks import (
    Conv2D,
    Dense,
    LeakyReLU,
    Residual,
    SpaceToDepth,
    convolution,
)
from cdd_keras.layers.coupled import Coupled
from cdd_keras.networks.classifier import Classifier

# The posterior starts narrow (deviation 0.14), so that the decoder sees the code from the start.
START_LOG_VAR = -4.0


class Encoder(keras.layers.Layer):
    """E_S, E_T (private stems) and E_C (shared trunk): q(z | image).

    Patches, a strided convolution and residual blocks learn to reconstruct in seconds where
    strided convolutions alone take minutes (method.md, "An autoencoder that learns in seconds").

    Args:
        config: reads `channels`, `code_shape`, `code_size`, `image_size`.

    Call: images float32 (batch, size, size, 3) in [-1, 1] and `domain` ->
    mean and log-variance, each float32 (batch, *code_shape).
    """

    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        channels = config.channels

        def stem():
            return keras.Sequential([SpaceToDepth(2), convolution(2 * channels), LeakyReLU()])

        trunk = [convolution(4 * channels, 4, 2), Residual(4 * channels)]
        if config.code_shape == "flat":
            trunk.append(keras.layers.Flatten())
        self.image_shape = (config.image_size, config.image_size, 3)
        self.features = Coupled(stems=Coupled.per_domain(stem), trunk=keras.Sequential(trunk))
        self.mean = _posterior_head(config, "zeros")
        self.log_var = _posterior_head(config, keras.initializers.Constant(START_LOG_VAR))

    def build(self, shape=None):
        shape = (None, *self.image_shape)
        self.features.build(shape)
        inner = self.features.compute_output_shape(shape)
        self.mean.build(inner)
        self.log_var.build(inner)

    def call(self, images, domain):
        features = self.features(images, domain=domain)
        return self.mean(features), tf.clip_by_value(self.log_var(features), -8.0, 4.0)


class FeatureEncoder(Classifier):
    """f of a domain transfer network: what a classifier of the source sees in an image.

    Taigman et al., "Unsupervised Cross-Domain Image Generation" (ICLR 2017). The features are
    certain: no variance is drawn from. They are of unit power, as noise is: larger ones saturate
    the generator in its first steps, for good.

    Call: images float32 (batch, size, size, 3) in [-1, 1] and `domain`, which it sees alike ->
    features float32 (batch, length), and None in place of a log-variance.
    """

    def __init__(self, config, classes, **kwargs):
        super().__init__(config, classes, private=False, **kwargs)

    def call(self, images, domain):
        features = tf.cast(self.features(images, domain), tf.float32)
        power = tf.reduce_mean(tf.square(features), -1, keepdims=True)
        return features * tf.math.rsqrt(power + 1e-6), None


def _posterior_head(config, bias):
    if config.code_shape == "flat":
        return Dense(config.code_size, bias_initializer=bias, dtype="float32")
    return Conv2D(config.code_size, 1, bias_initializer=bias, dtype="float32")


def code_shape(config):
    """Shape of one code: (size / 4, size / 4, code_size) if spatial, else (code_size,)."""
    if config.code_shape == "flat":
        return (config.code_size,)
    return (config.image_size // 4, config.image_size // 4, config.code_size)
