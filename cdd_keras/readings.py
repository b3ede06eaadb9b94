"""What classifier, critic and class heads read in the images of a step."""

import functools

import tensorflow as tf

from cdd_keras.domains import Edit, last_domain
from cdd_keras.layers.augment import move, to_grey
from cdd_keras.layers.gradient_reversal import reverse_gradient

# The strong views that the classifier sees: shift, as a part of the side, and change of size; and
# how far what it judges in drawn images is turned, in radians.
SHIFT, SCALE, ROTATION = 1 / 10, 0.075, 0.1


def memoised(method):
    """Computes a route at its first use in a step and hands it out from then on."""

    @functools.wraps(method)
    def lookup(self, *key):
        place = (method.__name__, *key)
        if place not in self._memo:
            self._memo[place] = method(self, *key)
        return self._memo[place]

    return lookup


def in_one_batch(compute, batches):
    """`compute(rows) -> rows` called once for several batches; what it gives for each of them.

    What is computed for a row must not depend on the others.
    """
    if len(batches) == 1:
        return [compute(batches[0])]
    rows = compute(tf.concat(batches, 0))
    return tf.split(rows, [tf.shape(batch)[0] for batch in batches])


class Readings:
    """The part of `Routes` that reads images; it has `image`, `networks`, `draws` and the rest."""

    @memoised
    def taught_logits(self, *addresses):
        """The classifier in training, on strong views of images of one domain, as one batch.

        Real and translated images share the batch so that batch norm sees them alike. Without
        a classifier of its own it is the discriminator's class head, on the discriminator's view.

        Returns:
            A list, for each address float32 (batch, classes).
        """
        if "classifier" not in self.networks:
            return [self._shared_logits(address) for address in addresses]
        features = self._taught_features(*addresses)
        logits = self.networks["classifier"].read(features, self._teaching_draws)
        return tf.split(logits, len(addresses))

    @memoised
    def _taught_features(self, *addresses):
        return self._teach("classifier", *addresses)

    def _teach(self, network, *addresses):
        """A classifier's features in training: float (all examples, length)."""
        images = tf.concat([tf.stop_gradient(self.image(address)) for address in addresses], 0)
        config = self.config
        return self.networks[network].features(
            self._strong_view(images, network, config.view_rotation, config.view_shear),
            domain=last_domain(addresses[0]),
            training=self.training,
            draws=self._teaching_draws,
        )

    @property
    def _teaching_draws(self):
        return self.draws if self.training else None

    @memoised
    def domain_logits(self, path):
        """The domain critic on the classifier's features, whose gradient is turned round.

        Returns:
            float32 (batch,), logits of "source".
        """
        strength = 2.0 / (1.0 + tf.exp(-10.0 * self.progress)) - 1.0
        features = reverse_gradient(self._taught_features(path), strength)
        return self.networks["domain_critic"](features)

    @memoised
    def encoded_logits(self, path):
        """The attribute as an encoder's own head reads it in training: (batch, classes)."""
        features = self._teach("encoder", path)
        return self.networks["encoder"].read(features, self._teaching_draws)

    @memoised
    def read_logits(self, address):
        """The classifier as it stands, on such a view; its gradient reaches the image."""
        if "classifier" not in self.networks:
            return self._shared_logits(address)
        group = self._edits_with(address) if isinstance(address, Edit) else (address,)
        return self._read(group)[group.index(address)]

    @memoised
    def _read(self, group):
        domain = last_domain(group[0])
        return in_one_batch(
            lambda views: self.networks["classifier"](views, domain=domain),
            [self._strong_view(self.image(address), "classifier") for address in group],
        )

    @memoised
    def critic_features(self, address):
        """What the discriminator's class head reads: float (batch, h, w, c)."""
        view = self._discriminator_view(address)
        return self.networks["discriminator"].class_features(view, last_domain(address))

    @memoised
    def _shared_logits(self, address):
        view = self._discriminator_view(address)
        return self.networks["discriminator"].class_logits(view, last_domain(address))

    def _strong_view(self, images, network, rotation=ROTATION, shear=0.0):
        if getattr(self.networks[network], "normalised", False):
            # It sees nothing else, and one channel is moved in half the time of three.
            images = to_grey(images)
        return move(
            images,
            self.draws,
            shift=SHIFT * self.config.image_size,
            scale=SCALE,
            rotation=rotation,
            shear=shear,
            flip=self.config.flip,
        )


def class_logits(networks, images, domain):
    """Attribute logits of whichever network classifies: float32 (batch, classes)."""
    if "classifier" in networks:
        return networks["classifier"](images, domain=domain)
    return networks["discriminator"].class_logits(images, domain)
