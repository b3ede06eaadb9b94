"""Image -> attribute logits, on a trunk of its own."""

import keras
import tensorflow as tf

from cdd_keras.domains import DOMAINS, SOURCE
from cdd_keras.layers.augment import contrast_normalised_grey, jitter_contrast
from cdd_keras.layers.batch_norm import BatchNormalization
from cdd_keras.layers.blocks import Dense, LeakyReLU, convolution
from cdd_keras.networks.discriminator import halvings_beyond_32

DROPOUT = 0.4
# Convolutions before each halving: one alone does not fit even the labelled source.
DEPTH = 2


def _convolution(filters):
    """Without a bias: the batch norm behind it would take it out again."""
    return convolution(filters, use_bias=False)


class Classifier(keras.layers.Layer):
    """A small CNN with one trunk, and where `private` a stem and batch norms for each domain.

    Batch norm's statistics and scale belong to a domain (Li et al., "AdaBN", 2016): the trunk
    then sees both domains alike. The input is contrast-normalised grey unless
    `config.classifier_input` is "raw".

    Args:
        config: reads `channels`, `image_size`, `classifier_input`.
        classes: number of attribute values.
        private: whether the domains have parts of their own.
        private_stems: whether a stem is among them, or batch norms alone.
    """

    def __init__(self, config, classes, private, private_stems=True, **kwargs):
        super().__init__(**kwargs)
        self.normalised = config.classifier_input == "normalised"
        self.image_shape = (config.image_size, config.image_size, 1 if self.normalised else 3)
        self.domains = DOMAINS if private else (SOURCE,)
        widths = [config.channels * 2**level for level in range(3)]
        widths += [widths[-1]] * halvings_beyond_32(config.image_size)
        levels = len(widths)
        widths = [width for width in widths for _ in range(DEPTH)]
        shared = None if private_stems else _convolution(widths[0])
        self.stems = {domain: shared or _convolution(widths[0]) for domain in self.domains}
        self.trunk = [_convolution(width) for width in widths[1:]]
        several = config.strategy != "none"
        self.norms = {
            domain: [BatchNormalization(momentum=0.9, synchronized=several) for _ in widths]
            for domain in self.domains
        }
        self.activation = LeakyReLU()
        self.pool = keras.layers.MaxPooling2D()
        self.head = Dense(classes, dtype="float32")
        side = config.image_size // 2**levels
        self.length = side * side * widths[-1]

    def build(self, shape=None):
        for domain in self.domains:
            shape = (None, *self.image_shape)
            for layer, norm, last in self._blocks(domain):
                if not layer.built:
                    layer.build(shape)
                shape = layer.compute_output_shape(shape)
                norm.build(shape)
                if last:
                    shape = self.pool.compute_output_shape(shape)
        self.head.build((None, self.length))

    def call(self, images, domain, training=False, draws=None):
        """Attribute logits, float32 (batch, classes); the arguments are those of `features`."""
        return self.read(self.features(images, domain, training, draws), draws)

    def features(self, images, domain, training=False, draws=None):
        """What the head reads.

        Args:
            images: float32 (batch, size, size, 3) in [-1, 1], or their grey (.., 1) where that is
                what the classifier makes of them.
            domain: whose private parts see them.
            training: whether batch norm uses, and learns from, this batch.
            draws: `Draws` for input noise and dropout; none of either without.

        Returns:
            float (batch, length).
        """
        domain = domain if domain in self.domains else SOURCE
        features = contrast_normalised_grey(images) if self.normalised else images
        if draws is not None:
            features = jitter_contrast(features, draws)
        for layer, norm, last in self._blocks(domain):
            features = self.activation(norm.after(layer, features, training))
            if last:
                features = self.pool(features)
        return tf.reshape(features, (-1, self.length))

    def read(self, features, draws=None):
        """Attribute logits of features: float (batch, length) -> float32 (batch, classes)."""
        if draws is not None:
            features = draws.dropout(features, DROPOUT)
        return self.head(features)

    def _blocks(self, domain):
        """Each convolution with its norm, and whether it is its level's last."""
        layers = zip([self.stems[domain], *self.trunk], self.norms[domain], strict=True)
        return [
            (layer, norm, place % DEPTH == DEPTH - 1) for place, (layer, norm) in enumerate(layers)
        ]
