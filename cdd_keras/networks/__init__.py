"""The networks: encoders, generators, discriminator, classifier, domain critic."""

from cdd_keras.networks.aligned import AlignedClassifier
from cdd_keras.networks.classifier import Classifier
from cdd_keras.networks.discriminator import Discriminator
from cdd_keras.networks.domain_critic import DomainCritic
from cdd_keras.networks.encoder import Encoder, FeatureEncoder, code_shape
from cdd_keras.networks.generator import CodeGenerator, EditGenerator

__all__ = [
    "AlignedClassifier",
    "Classifier",
    "CodeGenerator",
    "Discriminator",
    "DomainCritic",
    "EditGenerator",
    "Encoder",
    "FeatureEncoder",
    "code_shape",
]
