"""The weight sharing that ties the two domains together."""

import keras

from cdd_keras.domains import DOMAINS


class Coupled(keras.layers.Layer):
    """Private stems, one shared trunk, private heads; any of the three may be absent.

    Liu et al. (CVPR 2018), section 3.1: low-level layers belong to a domain, high-level
    layers are shared, so that what the trunk learns from labelled images holds for the
    others.

    Args:
        stems: {domain: layer}, or None.
        trunk: layer, or None.
        heads: {domain: layer}, or None.

    Call: inputs and the keyword `domain`, which picks the private parts.
    """

    def __init__(self, stems=None, trunk=None, heads=None, **kwargs):
        super().__init__(**kwargs)
        self.stems = stems
        self.trunk = trunk
        self.heads = heads
        self.domains = tuple(stems or heads or DOMAINS)

    @classmethod
    def per_domain(cls, make, domains=DOMAINS):
        """{domain: make()} for both domains, or those there are."""
        return {domain: make() for domain in domains}

    def build(self, shape):
        for domain in self.domains:
            inner = shape
            for layer in self.parts_of(domain):
                if not layer.built:
                    layer.build(inner)
                inner = layer.compute_output_shape(inner)

    def call(self, inputs, domain):
        for layer in self.parts_of(domain):
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, shape, domain=None):
        for layer in self.parts_of(domain or self.domains[0]):
            shape = layer.compute_output_shape(shape)
        return shape

    def parts_of(self, domain):
        """The layers an image of `domain` passes, in order."""
        parts = (self.stems and self.stems[domain], self.trunk, self.heads and self.heads[domain])
        return [part for part in parts if part is not None]
