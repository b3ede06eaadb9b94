"""The attribute a target image is taken to have, since no label says it."""

import keras
import tensorflow as tf

MOMENTUM = 0.97


class Belief(keras.layers.Layer):
    """Joins the readings of a target image, each aligned with the source's class prior.

    The logits of a domain without labels are shifted, so a reading's own class frequencies
    (a moving mean) are replaced by the source's: p * prior / mean(p), as in ReMixMatch's
    distribution alignment (Berthelot et al., ICLR 2020). Where the priors differ this hurts;
    `alignment` says how much of it is done.

    Args:
        classes: number of attribute values.
        alignment: 0 for none, 1 for all of it.
        via_source: share of the reading through the source domain.
        sharpness: power the joint reading is raised to.
    """

    DIRECT = "direct"
    TRANSLATED = "translated"

    def __init__(self, classes, alignment=1.0, via_source=0.6, sharpness=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alignment = alignment
        self.shares = {self.DIRECT: 1.0 - via_source, self.TRANSLATED: via_source}
        self.sharpness = sharpness
        start = keras.initializers.Constant(1.0 / classes)

        def frequencies(name):
            return self.add_weight(
                name=name, shape=(classes,), initializer=start, trainable=False, dtype="float32"
            )

        self.prior = frequencies("prior")
        self.means = {name: frequencies(f"mean_{name}") for name in self.shares}
        self.classes = classes
        self.built = True

    def observe(self, labels, readings):
        """Follows the class frequencies of source labels and of each target reading.

        Both or neither: where a method forms no belief, its readings stay as they are.

        Args:
            labels: int32 (batch,), of source images.
            readings: {branch: logits float32 (batch, classes)}, of target images.
        """
        _follow(self.prior, tf.one_hot(labels, self.classes))
        for name, logits in readings.items():
            _follow(self.means[name], tf.nn.softmax(logits))

    def align(self, name, logits):
        """One branch's aligned log-probabilities: float32 (batch, classes)."""
        shift = tf.math.log(self.prior + 1e-6) - tf.math.log(self.means[name] + 1e-6)
        return tf.nn.log_softmax(logits + self.alignment * shift)

    def combine(self, readings, sharpness=1.0):
        """Log-probabilities of the weighted geometric mean of all readings.

        Args:
            readings: {branch: logits float32 (batch, classes)}; one branch stands alone.
            sharpness: power the mean is raised to before it is normalised.

        Returns:
            float32 (batch, classes).
        """
        total = sum(self.shares[name] for name in readings)
        joint = sum(
            self.shares[name] / total * self.align(name, logits)
            for name, logits in readings.items()
        )
        return tf.nn.log_softmax(sharpness * joint)

    def probabilities(self, readings):
        """What training acts on: the sharpened joint reading, float32 (batch, classes)."""
        return tf.exp(self.combine(readings, self.sharpness))


def _follow(variable, values):
    variable.assign(MOMENTUM * variable + (1.0 - MOMENTUM) * tf.reduce_mean(values, 0))
