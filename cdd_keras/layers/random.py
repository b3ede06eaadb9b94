"""Stateless randomness: a draw depends on (seed, step, place in the program) and on nothing else.

There is no generator state to save, so a resumed run draws what it would have drawn.
"""

import tensorflow as tf


class Draws:
    """Hands out stateless seeds; the n-th call within a step always gets the n-th seed.

    Args:
        seed: int or integer tensor, the run's seed.
        step: integer tensor or int, the global step.
    """

    def __init__(self, seed, step=0):
        self._seed = tf.cast(seed, tf.int64)
        self._step = tf.cast(step, tf.int32)
        self._count = 0

    def seed(self):
        """A seed for `tf.random.stateless_*`: int32 of shape (2,)."""
        self._count += 1
        return tf.stack([tf.cast(self._seed * 65_537 + self._count, tf.int32), self._step])

    def normal(self, shape):
        """float32 draws from N(0, 1)."""
        return tf.random.stateless_normal(shape, self.seed())

    def uniform(self, shape, low, high):
        """float32 draws from [low, high)."""
        return tf.random.stateless_uniform(shape, self.seed(), low, high)

    def integers(self, shape, low, high):
        """int32 draws from low .. high - 1."""
        return tf.random.stateless_uniform(shape, self.seed(), low, high, tf.int32)

    def categories(self, probabilities):
        """One class a row: float32 (batch, classes) -> int32 (batch,)."""
        logits = tf.math.log(probabilities + 1e-9)
        return tf.random.stateless_categorical(logits, 1, self.seed(), tf.int32)[:, 0]
