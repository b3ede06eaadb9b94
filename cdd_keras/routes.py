"""A lazy forward pass: a term asks for an image by its address, and it is computed once."""

import tensorflow as tf

from cdd_keras.domains import ANY, NOISE, OWN, SOURCE, TARGET, Edit, last_domain
from cdd_keras.layers.augment import jitter_colour, shift
from cdd_keras.layers.blocks import to_image
from cdd_keras.layers.sampling import sample_posterior
from cdd_keras.readings import Readings, class_logits, in_one_batch, memoised

# Shifts of the generator's and the discriminator's images, as a fraction of the side.
LIGHT_SHIFT = 1 / 16
# Noise on an edited image that is encoded again, in units of [-1, 1].
HIDING_NOISE = 0.05


class Routes(Readings):
    """Everything one training step may compute, addressed by path, computed on demand.

    What is `together` in the phase is computed with the first of it that is asked for.

    Must live inside the step's gradient tape: a tensor memoised outside has no gradient.

    Args:
        model: the `CrossDomainModel`; its networks, averaged networks, belief and config.
        images: {domain: float32 (batch, size, size, 3) in [-1, 1]}.
        labels: {domain: int32 (batch,)}; the target's only for the oracle.
        draws: `Draws` of this step.
        training: False to look only: batch norm and belief then learn nothing.
        phase: the `Phase` whose terms are asked for; the model's current one by default.
    """

    def __init__(self, model, images, labels, draws, training=True, phase=None):
        self.networks = model.networks
        self.averaged = model.averaged
        self.belief = model.belief
        self.reads_through_source = model.reads_through_source
        self.prior = model.prior
        self.config = model.config
        self.classes = model.classes
        self.phase = phase or model.recipe.phases[model.phase]
        self.progress = tf.cast(model.step.value, tf.float32) / model.config.steps
        self.draws = draws
        self.training = training
        self._real = images
        self._labels = labels
        self._memo = {}

    @memoised
    def image(self, address):
        """The addressed image: float32 (batch, size, size, 3) in [-1, 1]; reals are augmented."""
        if isinstance(address, Edit):
            group = self._edits_with(address)
            return self._edited(group)[group.index(address)]
        if len(address) == 1 and isinstance(address[0], Edit):
            return self._seen_again(address[0])
        if len(address) == 1:
            return self._shift(self._real[address[0]], flip=self.config.flip)
        return to_image(self.base(address))

    @memoised
    def posterior(self, path):
        """Mean and log-variance of q(z | image at path), each float32 (batch, *code)."""
        return self.networks["encoder"](self.image(path), domain=last_domain(path))

    @memoised
    def code(self, path):
        """The code an image is drawn from: a posterior draw, or a prior draw for (NOISE,)."""
        if path == (NOISE,):
            return self.prior.sample(tf.shape(self._real[SOURCE])[0], self.draws)
        return sample_posterior(*self.posterior(path), self.draws)

    @memoised
    def features(self, path):
        """The generator's shared trunk on the code of `path`, one pass for both domains."""
        return self.networks["generator"].features(self.code(path))

    @memoised
    def base(self, path):
        """Pre-activations of the base image at the end of `path`."""
        return self.networks["generator"].base(self.features(path[:-1]), path[-1])

    def _seen_again(self, edit):
        """An edited image as an input: what it shows counts, not what could be hidden in it."""
        image = tf.stop_gradient(self.image(edit))
        return image + HIDING_NOISE * self.draws.normal(tf.shape(image))

    @memoised
    def _edited(self, edits):
        """The images of edits in one domain, drawn as one batch."""
        features = [self.rows(self.features(edit.path[:-1]), edit) for edit in edits]
        values = [self.value(edit) for edit in edits]
        domain = last_domain(edits[0])
        return in_one_batch(
            lambda rows: self.networks["generator"].edit(rows, tf.concat(values, 0), domain),
            features,
        )

    def _edits_with(self, edit):
        """The edits that are drawn, and read, in one batch with an edit."""
        return tuple(one for one in self.phase.group_of(edit) if isinstance(one, Edit))

    def rows(self, batch, edit):
        """The part of a batch that an edit is made on."""
        if edit.rows == (0.0, 1.0):
            return batch
        count = tf.shape(batch)[0]
        start, end = (tf.cast(part * tf.cast(count, tf.float32), tf.int32) for part in edit.rows)
        # By split and not by a slice, whose gradient is several times as dear.
        return tf.split(batch, [start, end - start, count - end])[1]

    @memoised
    def value(self, edit):
        """The value an edit draws: int32 (batch,)."""
        return self.rows(self.values(edit.path, edit.value), edit)

    @memoised
    def values(self, path, which):
        """OWN, OTHER or ANY value for the images at `path`: int32 (batch,)."""
        if which == ANY:
            count = tf.shape(self._real[SOURCE])[0]
            return self.draws.integers((count,), 0, self.classes)
        own = self._own_value(path[0])
        if which == OWN:
            return own
        step = self.draws.integers(tf.shape(own), 1, self.classes)
        return (own + step) % self.classes

    def _own_value(self, start):
        """The attribute of the real images that a path begins with, of those rows it has."""
        if isinstance(start, Edit):
            return self.rows(self._own_value(start.path[0]), start)
        return self.label(start)

    @memoised
    def label(self, domain):
        """The attribute of real images: the label if there is one, else a draw of the belief."""
        if domain in self._labels:
            return self._labels[domain]
        return self.draws.categories(self.target_belief())

    @memoised
    def target_belief(self):
        """What the target images are taken to show: float32 (batch, classes), no gradient."""
        self.log_frequencies(SOURCE)
        readings = {
            self.belief.DIRECT: self._averaged_logits((TARGET,), TARGET),
            self.belief.AS_SOURCE: self._averaged_logits((TARGET,), SOURCE),
        }
        if self.reads_through_source:
            readings[self.belief.TRANSLATED] = self._averaged_logits((TARGET, SOURCE), SOURCE)
        if self.training:
            self.belief.observe(readings)
        return tf.stop_gradient(self.belief.probabilities(readings))

    def _averaged_logits(self, path, domain):
        image = tf.stop_gradient(self.image(path))
        return class_logits(self.averaged, image, domain)

    @memoised
    def log_frequencies(self, domain):
        """Logarithm of how frequent each value is in a domain's images here: float32 (classes,).

        Labels are counted where there are any; else it is the belief's estimate.
        """
        if domain not in self._labels:
            self.target_belief()
            return self.belief.log_frequencies(domain)
        if self.training:
            self.belief.count(domain, self._labels[domain])
        return self.belief.log_shown(domain)

    @memoised
    def confident(self):
        """1 where the belief is strong enough to teach, else 0: float32 (batch,)."""
        strongest = tf.reduce_max(self.target_belief(), -1)
        return tf.cast(strongest > self.config.belief_confidence, tf.float32)

    @memoised
    def realness(self, address):
        """The discriminator's outputs on a light view: float32 (batch, outputs)."""
        group = self.phase.group_of(address)
        return self._judged(group)[group.index(address)]

    @memoised
    def _judged(self, group):
        domain = last_domain(group[0])
        return in_one_batch(
            lambda views: self.networks["discriminator"].realness(views, domain),
            [self._discriminator_view(address) for address in group],
        )

    @memoised
    def _discriminator_view(self, address):
        image = self.image(address)
        if self.config.colour_jitter:
            image = jitter_colour(image, self.draws)
        return self._shift(image)

    def _shift(self, images, flip=False):
        most = round(LIGHT_SHIFT * self.config.image_size)
        return shift(images, self.draws, most=most, flip=flip)

    def realness_gradient(self, path):
        """d(realness outputs, each of a random sign) / d(real image), of the image's shape.

        Its expected square is the sum over the outputs of each one's; the slopes of their plain
        sum would cancel where one value's output rises and another's falls.
        """
        images = self.image(path)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = self.networks["discriminator"].realness(images, path[-1])
            signs = 2 * self.draws.integers(tf.shape(outputs), 0, 2) - 1
            signed = outputs * tf.cast(signs, outputs.dtype)
        return tape.gradient(signed, images)
