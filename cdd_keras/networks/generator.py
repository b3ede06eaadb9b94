"""Latent code and attribute value -> image, in two designs with one interface.

`features(code)` is the shared trunk's pass, computed once for both domains; `base` draws the
image without an attribute; `edit` draws it with a value. Values are int32 class indices.
"""

import keras
import tensorflow as tf

from cdd_keras.domains import DOMAINS
from cdd_keras.layers.blocks import (
    Conv2D,
    Dense,
    DepthToSpace,
    LeakyReLU,
    ModulatedConvolution,
    Residual,
    convolution,
    to_image,
)
from cdd_keras.layers.coupled import Coupled
from cdd_keras.networks.encoder import code_shape


class EditGenerator(keras.layers.Layer):
    """A base that never sees the attribute, and a small change to its features that does.

    The base is never drawn from a value, and an edit begins as the base itself. The change is made
    to the features and not to the image: the head has learned from reconstructions how glasses
    look, so an edit need only ask for them. Drawn as a change of pixels they stayed dots. Edits
    train the head too, which draws the base images that teach the target's classifier: should a
    value leak that way, that loss (`translated`) falls far below `labelled`.

    Args:
        config: reads `channels`, `residual_blocks`, `code_shape`, `code_size`, `image_size`.
        classes: number of attribute values.
    """

    # Whether images without a value are drawn in training, so that they are worth looking at.
    draws_base = True
    # Whether an edit may be made stronger or weaker than in training.
    has_strength = True

    def __init__(self, config, classes, **kwargs):
        super().__init__(**kwargs)
        channels = config.channels
        self.code_shape = code_shape(config)
        self.trunk = _trunk(config, self.code_shape)
        self.head = Coupled(heads=Coupled.per_domain(lambda: _base_head(channels)))
        self.modulation = ModulatedConvolution(4 * channels, classes)
        self.change = Coupled(heads=Coupled.per_domain(lambda: _change(4 * channels)))

    def build(self, shape=None):
        self.trunk.build((None, *self.code_shape))
        features = self.trunk.compute_output_shape((None, *self.code_shape))
        self.head.build(features)
        self.modulation.build(features)
        self.change.build(features)

    def features(self, code):
        """The shared trunk: codes (batch, *code_shape) -> (batch, size / 4, size / 4, c)."""
        return self.trunk(code)

    def base(self, features, domain):
        """Pre-activations of the image without an attribute: float32 (batch, size, size, 3)."""
        return self.head(features, domain=domain)

    def edit(self, features, values, domain, strengths=None):
        """The image with a value drawn into it: float32 (batch, size, size, 3) in [-1, 1].

        Args:
            features: of the trunk.
            values: int32 (batch,).
            domain: the domain to draw in.
            strengths: float32 (batch,), what each change is multiplied by; None: 1, as in
                training.
        """
        change = self.change(self.modulation(features, values), domain=domain)
        if strengths is not None:
            change *= tf.cast(strengths, change.dtype)[:, None, None, None]
        # The base is not to be made easy to edit: what is changed learns nothing from it, but
        # for what the change is computed from.
        return to_image(self.base(tf.stop_gradient(features) + change, domain))


class CodeGenerator(keras.layers.Layer):
    """The paper's generator: G_C takes the code and the attribute, G_S and G_T draw.

    Args:
        config: as for `EditGenerator`.
        classes: number of attribute values; a zero vector stands for "none". With 0 there is
            no such input: the generator of methods that draw without values.
        code: shape of a code; that of `config` by default.
        domains: those it draws images of.
    """

    has_strength = False

    def __init__(self, config, classes, code=None, domains=DOMAINS, **kwargs):
        super().__init__(**kwargs)
        self.classes = classes
        # Where values are drawn, training never draws without one.
        self.draws_base = classes == 0
        *grid, depth = code or code_shape(config)
        joined = (*grid, depth + classes)
        self.input_shape = (None, *joined)
        self.network = Coupled(
            trunk=_trunk(config, joined),
            heads=Coupled.per_domain(lambda: _base_head(config.channels), domains),
        )

    def build(self, shape=None):
        self.network.build(self.input_shape)

    def features(self, code):
        """The code itself: the trunk needs the value too."""
        return code

    def base(self, features, domain):
        """Pre-activations of the image for no value: float32 (batch, size, size, 3)."""
        return self._draw(features, tf.fill(tf.shape(features)[:1], -1), domain)

    def edit(self, features, values, domain, strengths=None):
        """The image of a code and a value, at any strength: float32 as `EditGenerator`'s."""
        return to_image(self._draw(features, values, domain))

    def _draw(self, code, values, domain):
        attribute = tf.one_hot(values, self.classes, dtype=code.dtype)
        for _ in range(code.shape.rank - 2):
            attribute = attribute[:, None]
        shape = tf.concat([tf.shape(code)[:-1], [self.classes]], 0)
        joined = tf.concat([code, tf.broadcast_to(attribute, shape)], -1)
        return self.network(joined, domain=domain)


def _trunk(config, code):
    channels = 4 * config.channels
    layers = []
    if len(code) == 1:
        side = config.image_size // 4
        layers = [Dense(side * side * 16), keras.layers.Reshape((side, side, 16))]
    layers.append(convolution(channels))
    layers += [Residual(channels) for _ in range(config.residual_blocks)]
    return keras.Sequential(layers)


def _base_head(channels):
    return keras.Sequential(
        [
            Conv2D(8 * channels, 1),
            DepthToSpace(2),
            Residual(2 * channels),
            Conv2D(12, 3, padding="same", dtype="float32"),
            DepthToSpace(2, dtype="float32"),
        ]
    )


def _change(channels):
    near_zero = keras.initializers.RandomNormal(stddev=0.002)
    return keras.Sequential(
        [
            convolution(channels),
            LeakyReLU(),
            Conv2D(channels, 1, kernel_initializer=near_zero),
        ]
    )
