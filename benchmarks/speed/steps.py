"""Training steps as they are measured: the last phase of a run, all ramps ended."""

import numpy as np
import tensorflow as tf

from cdd_keras.config import Config
from cdd_keras.dry_run import CLASSES
from cdd_keras.methods import reads_target_labels
from cdd_keras.model import CrossDomainModel
from cdd_keras.precision import use_precision

# Where in its run a step is measured: in the last phase, all ramps ended.
PLACE = 0.9


def build_model(settings):
    """A compiled model of `Config` settings in its last phase."""
    config = Config(**{"attr": "benchmark", "synthetic_count": 16, **settings})
    use_precision(config.precision)
    tf.keras.utils.set_random_seed(config.seed)
    model = CrossDomainModel(config, CLASSES.get(config.data, 2))
    model.compile()
    model.phase = len(model.recipe.phases) - 1
    model.step.assign(round(PLACE * config.steps))
    return model


def random_batch(config, seed=0):
    """((source images, labels), target): what the pipeline gives, with images of random bytes."""
    draws = np.random.default_rng(seed)
    shape = (config.batch_size, config.image_size, config.image_size, 3)
    source, target = (draws.integers(0, 256, shape, "uint8") for _ in range(2))
    labels = np.arange(config.batch_size, dtype="int32") % CLASSES.get(config.data, 2)
    labelled = reads_target_labels(config.method)
    return ((source, labels), (target, labels) if labelled else target)


def as_tensors(batch):
    return tf.nest.map_structure(tf.constant, batch)
