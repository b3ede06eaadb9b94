"""Features -> source or target."""

import keras

from cdd_keras.layers.blocks import Dense, LeakyReLU


class DomainCritic(keras.layers.Layer):
    """Tells the domains apart by the classifier's features: G_d of Ganin et al. (JMLR 2016).

    Two hidden layers, as the paper has for SVHN.

    Args:
        config: reads `channels`.
        features: length of the classifier's features.

    Call: float (batch, features) -> logits of "source", float32 (batch,).
    """

    def __init__(self, config, features, **kwargs):
        super().__init__(**kwargs)
        self.features = features
        width = 16 * config.channels
        self.layers = keras.Sequential(
            [
                Dense(width),
                LeakyReLU(),
                Dense(width),
                LeakyReLU(),
                Dense(1, dtype="float32"),
            ]
        )

    def build(self, shape=None):
        self.layers.build((None, self.features))

    def call(self, features):
        return self.layers(features)[:, 0]
