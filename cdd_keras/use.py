"""What a trained model is for: reading the attribute, translating, drawing."""

import functools

import tensorflow as tf

from cdd_keras.belief import Belief
from cdd_keras.domains import DOMAINS, NO_VALUE, SOURCE, TARGET
from cdd_keras.layers.blocks import to_image
from cdd_keras.layers.random import Draws
from cdd_keras.readings import class_logits


def for_any_batch(method):
    """`tf.function` of a method of (tensor, domain, *tensors), one graph for all batch sizes.

    With graphs of fixed sizes, or of one until another comes (`reduce_retracing`), the last bits
    of a reading would depend on what else had been read before.
    """

    @functools.wraps(method)
    def call(self, tensor, domain, *others):
        tensors = [tf.convert_to_tensor(one) for one in (tensor, *others)]
        specs = tuple(tf.TensorSpec([None, *one.shape[1:]], one.dtype) for one in tensors)
        # Held by the model, and past Keras's tracking of attributes, so that it dies with it, but
        # for what TensorFlow's registry of gradients holds, see `search.memory`.
        graphs = vars(self).setdefault("_graphs", {})
        key = (method.__name__, domain, specs)
        if key not in graphs:
            # Not a lambda: TensorFlow counts the graphs of one `__code__`, and would take those of
            # several models, each traced once, for one function traced again and again.
            here = functools.partial(_in_domain, method, self, domain)
            graphs[key] = tf.function(here, input_signature=specs)
        return graphs[key](*tensors)

    return call


def _in_domain(method, model, domain, tensor, *others):
    return method(model, tensor, domain, *others)


class Abilities:
    """Mixin of a model with `traits`, `has_encoder`, `has_generator` and `has_prior`."""

    def can_read(self, domain):
        """Whether images of a domain can be classified."""
        return domain in self.traits.reads

    def can_sample(self, domain):
        """Whether images of a domain can be drawn from noise."""
        return self.has_generator and self.has_prior and domain in self.traits.draws

    def can_translate(self, domain):
        """Whether images of either domain can be redrawn in a domain."""
        return self.has_generator and self.has_encoder and domain in self.traits.draws


class TrainedUse(Abilities):
    """Mixin of a model with `averaged` networks, a `belief`, a `prior`, a `config` and so on."""

    @for_any_batch
    def branches(self, images, domain):
        """Each branch's reading of the attribute.

        Args:
            images: float32 (batch, size, size, 3) in [-1, 1].
            domain: SOURCE or TARGET.

        Returns:
            {"direct": log-probabilities float32 (batch, classes)}, and for target images of a
            method that translates also "translated", read through the source domain; every value
            counts as equally frequent.
        """
        readings = {Belief.DIRECT: self._logits(images, domain)}
        if domain == TARGET and self.reads_through_source:
            generator = self.averaged["generator"]
            base = generator.base(generator.features(self.encode(images, TARGET)), SOURCE)
            readings[Belief.TRANSLATED] = self._logits(to_image(base), SOURCE)
        return {name: tf.nn.log_softmax(logits) for name, logits in readings.items()}

    @for_any_batch
    def classify(self, images, domain):
        """Log-probabilities of the attribute by the domain's own branch, float32 (batch, classes).

        What the others read has taught it; a translation loses some of what the image shows.
        Every value counts as equally frequent: add the logarithm of a domain's class frequencies,
        and normalise, where decisions shall favour what is frequent.
        """
        return tf.nn.log_softmax(self._logits(images, domain))

    def _logits(self, images, domain):
        logits = class_logits(self.averaged, images, domain)
        if not self.config.flip:
            return logits
        return 0.5 * (logits + class_logits(self.averaged, tf.reverse(images, [2]), domain))

    @for_any_batch
    def encode(self, images, domain):
        """Mean code of each image: float32 (batch, size, size, 3) -> (batch, *code)."""
        return self.averaged["encoder"](images, domain=domain)[0]

    @for_any_batch
    def decode(self, codes, domain, values, strengths):
        """Images of codes; a method that draws without values always gives the base.

        Args:
            codes: (batch, *code).
            domain: the domain to draw in.
            values: int32 (batch,), attribute values; -1 for the base without any.
            strengths: float32 (batch,), of the edits, see `strength`; without effect where the
                generator does not edit a base.

        Returns:
            float32 (batch, size, size, 3) in [-1, 1].
        """
        generator = self.averaged["generator"]
        features = generator.features(codes)
        base = generator.base(features, domain)
        if not self.traits.shows_values:
            return to_image(base)
        edited = generator.edit(features, tf.maximum(values, 0), domain, strengths)
        without = tf.reshape(values == NO_VALUE, (-1, 1, 1, 1))
        return tf.where(without, to_image(base), edited)

    def strength(self, source, target):
        """How strong edits are at use, as a multiple of those trained.

        Within a domain an image is kept so well in training that the change falls short of
        what a value asks for; from one domain to the other it goes too far.
        """
        return self.config.edit_strength if source == target else self.config.translation_strength

    def translate(self, images, source, target, values):
        """Images of one domain redrawn in a domain with a value.

        Args:
            images: float32 (batch, size, size, 3) in [-1, 1].
            source: the domain they are of.
            target: the domain to draw in; may be the same.
            values: int32 (batch,), attribute values; -1 for none, which is the value read in
                the image where the method never draws without one.

        Returns:
            float32 (batch, size, size, 3) in [-1, 1].
        """
        if not self.networks["generator"].draws_base:
            read = tf.argmax(self.classify(images, source), -1, tf.int32)
            values = tf.where(values == NO_VALUE, read, values)
        strengths = tf.fill(tf.shape(values), self.strength(source, target))
        return self.decode(self.encode(images, source), target, values, strengths)

    def sample(self, values, domain, seed):
        """Images drawn from the prior, one a value.

        Args:
            values: int32 (batch,), attribute values; -1 for none.
            domain: the domain to draw in.
            seed: int; the same seed gives the same codes whatever the values and the domain.

        Returns:
            float32 (batch, size, size, 3) in [-1, 1].
        """
        codes = self.prior.sample(tf.shape(values)[0], Draws(seed))
        strengths = tf.fill(tf.shape(values), self.config.translation_strength)
        return self.decode(codes, domain, values, strengths)

    def fit_at_rest(self, images, labels):
        """Fits what no gradient trains, such as the prior that samples are drawn from.

        Args:
            images: {domain: float32 (count, size, size, 3)}.
            labels: int32 (count,), of the source images.
        """
        if self.has_encoder and self.has_prior:
            codes = [self.encode(images[domain], domain) for domain in DOMAINS]
            self.prior.fit(tf.concat(codes, 0))
        if self.fit_method is not None:
            self.fit_method(self, images, labels)
