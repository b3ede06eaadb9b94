"""Stateless randomness: a draw depends on (seed, step, place in the program) and on nothing else.

There is no generator state to save, so a resumed run draws what it would have drawn. Several
devices draw what one would: each draws for the whole batch, and takes the rows that are its own.
"""

import tensorflow as tf


class Draws:
    """Hands out stateless seeds; the n-th call within a step always gets the n-th seed.

    Args:
        seed: int or integer tensor, the run's seed.
        step: integer tensor or int, the global step.
        share: the `Share` of the batch whose rows are drawn for; None: all of it.
    """

    def __init__(self, seed, step=0, share=None):
        self._seed = tf.cast(seed, tf.int64)
        self._step = tf.cast(step, tf.int32)
        self._share = share
        self._count = 0

    def seed(self):
        """A seed for `tf.random.stateless_*`: int32 of shape (2,)."""
        self._count += 1
        return tf.stack([tf.cast(self._seed * 65_537 + self._count, tf.int32), self._step])

    def normal(self, shape):
        """float32 draws from N(0, 1); the first axis is the batch's."""
        return self._draw(tf.random.stateless_normal, shape)

    def uniform(self, shape, low, high, axis=0):
        """float32 draws from [low, high); `axis` is the batch's."""
        return self._draw(
            lambda shape, seed: tf.random.stateless_uniform(shape, seed, low, high), shape, axis
        )

    def integers(self, shape, low, high):
        """int32 draws from low .. high - 1; the first axis is the batch's."""
        return self._draw(
            lambda shape, seed: tf.random.stateless_uniform(shape, seed, low, high, tf.int32), shape
        )

    def categories(self, probabilities):
        """One class a row: float32 (batch, classes) -> int32 (batch,)."""
        logits = tf.math.log(probabilities + 1e-9)
        return self._change(
            lambda logits, seed: tf.random.stateless_categorical(logits, 1, seed, tf.int32), logits
        )[:, 0]

    def dropout(self, features, rate):
        """Features of which a part is 0, and the others are larger for it: float (batch, ...)."""
        return self._change(
            lambda features, seed: tf.nn.experimental.stateless_dropout(features, rate, seed),
            features,
        )

    def _draw(self, draw, shape, axis=0):
        """`draw(shape, seed)`, or the share's rows of it for the whole batch."""
        if self._share is None:
            return draw(shape, self.seed())
        shape = tf.convert_to_tensor(shape)
        times = tf.one_hot(axis, tf.size(shape), self._share.count, 1, dtype=tf.int32)
        drawn = draw(shape * times, self.seed())
        return tf.reshape(self._share.take(drawn, axis), shape)

    def _change(self, change, rows):
        """`change(rows, seed)`, whose randomness goes by the row's place in the whole batch."""
        if self._share is None:
            return change(rows, self.seed())
        return self._share.take(change(self._share.spread(rows), self.seed()))
