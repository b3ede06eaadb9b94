"""The four networks: encoder, generator, discriminator, classifier."""

from cdd_keras.networks.classifier import Classifier
from cdd_keras.networks.discriminator import Discriminator
from cdd_keras.networks.encoder import Encoder, code_shape
from cdd_keras.networks.generator import CodeGenerator, EditGenerator

__all__ = [
    "Classifier",
    "CodeGenerator",
    "Discriminator",
    "EditGenerator",
    "Encoder",
    "code_shape",
]
