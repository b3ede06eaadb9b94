"""Image -> realness outputs, and for the paper's shared trunk the attribute's logits."""

import keras
import tensorflow as tf

from cdd_keras.domains import DOMAINS
from cdd_keras.layers.augment import contrast_normalised_grey
from cdd_keras.layers.blocks import Dense, LeakyReLU, convolution
from cdd_keras.layers.coupled import Coupled


def halvings_beyond_32(image_size):
    """How many more strided layers an image needs to end on the grid a 32 px image ends on."""
    count = 0
    while image_size > 32 * 2**count:
        count += 1
    return count


class Discriminator(keras.layers.Layer):
    """D_S, D_T (private stems), D_C (shared trunk), realness heads a domain, one class head.

    Args:
        config: reads `discriminator_channels`, `image_size`, and `classifier_input` for the class
            head, which sees contrast-normalised grey unless that is "raw", as a classifier does.
        outputs: realness outputs; one, or one an attribute value and a last one for none:
            a secret sign for a value then costs realism.
        classes: outputs of the class head on the shared trunk; None for no such head.
        domains: those whose images it sees.
    """

    def __init__(self, config, outputs, classes=None, domains=DOMAINS, **kwargs):
        super().__init__(**kwargs)
        channels = config.discriminator_channels
        self.normalised = config.classifier_input == "normalised"
        self.image_shape = (config.image_size, config.image_size, 3)

        def stem():
            return keras.Sequential([convolution(channels, 4, 2), LeakyReLU()])

        trunk = []
        for level in range(2 + halvings_beyond_32(config.image_size)):
            trunk += [convolution(min(2, level + 1) * 2 * channels, 4, 2), LeakyReLU()]
        self.features = Coupled(
            stems=Coupled.per_domain(stem, domains), trunk=keras.Sequential(trunk)
        )
        self.realness_head = Coupled(
            heads=Coupled.per_domain(lambda: _realness_head(4 * channels, outputs), domains)
        )
        self.class_head = None if classes is None else _class_head(classes)

    def build(self, shape=None):
        shape = (None, *self.image_shape)
        self.features.build(shape)
        inner = self.features.compute_output_shape(shape)
        self.realness_head.build(inner)
        if self.class_head is not None:
            self.class_head.build(inner)

    def realness(self, images, domain):
        """Realness outputs: float32 (batch, size, size, 3) -> float32 (batch, outputs)."""
        return self.realness_head(self.features(images, domain=domain), domain=domain)

    def class_features(self, images, domain):
        """What the class head reads of the shared trunk: float (batch, h, w, c)."""
        if self.normalised:
            images = tf.repeat(contrast_normalised_grey(images), images.shape[-1], axis=-1)
        return self.features(images, domain=domain)

    def class_logits(self, images, domain):
        """Attribute logits of the shared trunk: float32 (batch, classes)."""
        return self.class_head(self.class_features(images, domain))


def _realness_head(channels, outputs):
    return keras.Sequential(
        [
            convolution(channels),
            LeakyReLU(),
            keras.layers.Flatten(),
            Dense(outputs, dtype="float32"),
        ]
    )


def _class_head(classes):
    return keras.Sequential([keras.layers.Flatten(), Dense(classes, dtype="float32")])
