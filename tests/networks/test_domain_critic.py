import tensorflow as tf
from tiny import BATCH, config, floats

from cdd_keras.domains import SOURCE
from cdd_keras.networks import Classifier, DomainCritic


def test_a_logit_for_each_example_of_a_classifiers_features():
    classifier = Classifier(config(), 2, private=False)
    critic = DomainCritic(config(), classifier.length)
    for network in (classifier, critic):
        network.build()
    logits = critic(classifier.features(tf.constant(floats()), SOURCE))
    assert logits.shape == (BATCH,)
    assert logits.dtype == tf.float32
