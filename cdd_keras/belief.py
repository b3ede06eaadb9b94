"""How frequent the values are, and the one a target image is taken to have: no label says it."""

import keras
import tensorflow as tf

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.layers.sums import WIDE
from cdd_keras.replicas import mean_over_replicas

MOMENTUM = 0.97
# What keeps the logarithm of a frequency finite.
LEAST = 1e-6


class Belief(keras.layers.Layer):
    """Joins the readings of a target image, each aligned with the target's class frequencies.

    Logits here leave out how frequent a value is; a posterior adds the logarithm of a domain's
    frequencies (see `terms.classify`). Those of the source are known, or counted. Those of the
    target are estimated from what the source's branch, the one that labels taught, reads in the
    target: in its images as they are and in their translations, whose errors differ.

    The logits of a domain without labels are shifted, so a reading's own frequencies (a moving
    mean) are replaced by the estimate: p * frequencies / mean(p), as in ReMixMatch's distribution
    alignment (Berthelot et al., ICLR 2020), which takes the source's for it. `alignment` says how
    much of that is done.

    Args:
        classes: number of attribute values.
        alignment: 0 for none, 1 for all of it.
        via_source: share of the readings by the source's branch, the same for each.
        sharpness: power the joint reading is raised to.
    """

    # By the target's branch; by the source's: the translation, and the image as it is.
    DIRECT = "direct"
    TRANSLATED = "translated"
    AS_SOURCE = "as_source"

    def __init__(self, classes, alignment=1.0, via_source=0.6, sharpness=2.0, **kwargs):
        super().__init__(**kwargs)
        self.alignment = alignment
        self.via_source = via_source
        self.sharpness = sharpness
        start = keras.initializers.Constant(1.0 / classes)

        def frequencies(name):
            return self.add_weight(
                name=name, shape=(classes,), initializer=start, trainable=False, dtype="float32"
            )

        self.shown = {domain: frequencies(f"shown_{domain}") for domain in DOMAINS}
        self.frequencies = {domain: frequencies(f"frequencies_{domain}") for domain in DOMAINS}
        self.source_is_known = False
        readings = (self.DIRECT, self.TRANSLATED, self.AS_SOURCE)
        self.means = {name: frequencies(f"mean_{name}") for name in readings}
        self.classes = classes
        self.built = True

    def know(self, labels):
        """Takes the source's class frequencies from all its labels, int (n,).

        Without this they are taken to be those of the batches, which balanced ones hide.
        """
        counts = tf.math.bincount(tf.cast(labels, tf.int32), minlength=self.classes)
        self.frequencies[SOURCE].assign(tf.cast(counts / tf.reduce_sum(counts), tf.float32))
        self.source_is_known = True

    def count(self, domain, labels):
        """Follows the class frequencies that labelled batches show: int32 (batch,)."""
        _follow(self.shown[domain], tf.one_hot(labels, self.classes))
        if domain == SOURCE and not self.source_is_known:
            self.frequencies[SOURCE].assign(self.shown[SOURCE])

    def observe(self, readings):
        """Follows each reading's class frequencies, and by them the target's.

        Args:
            readings: {name: logits float32 (batch, classes)}, of the same target images.
        """
        posteriors = {name: self._posterior(logits) for name, logits in readings.items()}
        for name, values in posteriors.items():
            _follow(self.means[name], tf.exp(values))
        taught = [values for name, values in posteriors.items() if name != self.DIRECT]
        if taught:
            joint = sum(taught) / len(taught)
            _follow(self.frequencies[TARGET], tf.nn.softmax(self.sharpness * joint))

    def log_frequencies(self, domain):
        """Logarithm of how frequent each value is in a domain: float32 (classes,)."""
        return tf.math.log(self.frequencies[domain] + LEAST)

    def log_shown(self, domain):
        """Logarithm of how frequent each value is in labelled batches: float32 (classes,)."""
        return tf.math.log(self.shown[domain] + LEAST)

    def align(self, name, logits):
        """One reading's aligned log-probabilities: float32 (batch, classes)."""
        return tf.nn.log_softmax(self._posterior(logits) + self.alignment * self.shift(name))

    def shift(self, name):
        """log(frequencies / mean reading): float32 (classes,), above 0 where read too rarely."""
        return self.log_frequencies(TARGET) - tf.math.log(self.means[name] + LEAST)

    def probabilities(self, readings):
        """What training acts on: the sharpened weighted geometric mean of all readings.

        Args:
            readings: {name: logits float32 (batch, classes)}; one stands alone.

        Returns:
            float32 (batch, classes).
        """
        shares = self._shares(readings)
        joint = sum(shares[name] * self.align(name, logits) for name, logits in readings.items())
        return tf.nn.softmax(self.sharpness * joint)

    def _posterior(self, logits):
        return tf.nn.log_softmax(logits + self.log_frequencies(SOURCE))

    def _shares(self, readings):
        others = [name for name in readings if name != self.DIRECT]
        shares = {name: self.via_source / len(others) for name in others}
        if self.DIRECT in readings:
            shares[self.DIRECT] = 1.0 - self.via_source
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()}


def _follow(variable, values):
    mean = mean_over_replicas(tf.reduce_mean(tf.cast(values, WIDE), 0))
    variable.assign(MOMENTUM * variable + (1.0 - MOMENTUM) * tf.cast(mean, variable.dtype))
