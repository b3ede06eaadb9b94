"""Where latent codes come from: the posterior of an image, or a prior."""

import keras
import tensorflow as tf

COMPONENTS = 200
SPREAD = 0.8


def sample_posterior(mean, log_var, draws):
    """The reparametrised draw mean + exp(log_var / 2) * noise (Kingma and Welling, 2014).

    Without a log-variance the code is certain: the mean.
    """
    if log_var is None:
        return mean
    return mean + tf.exp(0.5 * log_var) * draws.normal(tf.shape(mean))


class NormalPrior(keras.layers.Layer):
    """Codes drawn from N(0, I).

    Args:
        shape: the code's shape without the batch.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.built = True

    def sample(self, count, draws):
        """float32 (count, *shape)."""
        return draws.normal((count, *self.shape))

    def fit(self, codes):
        """Nothing to fit: the prior is what training assumed."""


class FittedPrior(keras.layers.Layer):
    """A Gaussian on the principal components of encoded codes, fitted after training.

    A spatial code drawn from N(0, I) decodes to mush: its pixels are not independent.
    Ghosh et al., "From Variational to Deterministic Autoencoders" (ICLR 2020), section 4,
    "ex-post density estimation".

    Args:
        shape: the code's shape without the batch.
    """

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.length = int(tf.math.reduce_prod(self.shape))
        self.rank = min(COMPONENTS, self.length)
        self.mean = self.add_weight(
            name="mean", shape=(self.length,), initializer="zeros", trainable=False
        )
        # Row i is the i-th principal direction times the codes' deviation along it.
        self.directions = self.add_weight(
            name="directions",
            shape=(self.rank, self.length),
            initializer=keras.initializers.Identity(),
            trainable=False,
        )
        self.built = True

    def sample(self, count, draws):
        """float32 (count, *shape)."""
        flat = self.mean + SPREAD * draws.normal((count, self.rank)) @ self.directions
        return tf.reshape(flat, (count, *self.shape))

    def fit(self, codes):
        """Takes mean and principal directions from codes: float32 (count, *shape)."""
        flat = tf.reshape(tf.cast(codes, tf.float32), (-1, self.length))
        mean = tf.reduce_mean(flat, 0)
        singular, _, right = tf.linalg.svd(flat - mean)
        rank = min(self.rank, singular.shape[0])
        deviation = singular[:rank] / tf.sqrt(tf.cast(tf.shape(flat)[0], tf.float32))
        directions = deviation[:, None] * tf.transpose(right)[:rank]
        self.mean.assign(mean)
        self.directions.assign(tf.pad(directions, [[0, self.rank - rank], [0, 0]]))
