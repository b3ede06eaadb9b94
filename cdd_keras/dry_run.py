"""What a run would train and cost, without training it."""

import numpy as np
import tensorflow as tf
from tensorflow.python.profiler import model_analyzer, option_builder
from tensorflow.python.util import deprecation

from cdd_keras.methods import reads_target_labels
from cdd_keras.model import CrossDomainModel

# Two values are what most attributes have; digits have ten. Reading the data would tell, but
# a dry run is for before the data are there.
CLASSES = {"digits": 10}


def describe(config) -> str:
    """The resolved configuration, each network's parameters, FLOPs of a step of each phase."""
    model = CrossDomainModel(config, CLASSES.get(config.data, 2))
    model.compile()
    lines = [config.to_yaml().rstrip(), "", "networks (parameters):"]
    for name, network in model.networks.items():
        lines.append(f"  {name:14s} {network.count_params():>12,}")
    lines.append("training step (FLOPs):")
    for index, phase in enumerate(model.recipe.phases):
        model.phase = index
        start = round(phase.start * config.steps)
        lines.append(f"  from step {start:<8d} {step_flops(model):>12,}")
    return "\n".join(lines)


def step_flops(model) -> int:
    """Floating-point operations of one training step of the model's phase, by its graph."""
    return graph_flops(trace_step(model).graph)


def trace_step(model):
    """One training step of the model's phase as a concrete function of a batch of bytes."""
    size, count = model.image_size, model.config.batch_size
    images = tf.TensorSpec((count, size, size, 3), tf.uint8)
    labels = tf.TensorSpec((count,), tf.int32)
    labelled = (images, labels)
    target = labelled if reads_target_labels(model.config.method) else images
    return tf.function(model.train_step).get_concrete_function((labelled, target))


def graph_flops(graph) -> int:
    """Floating-point operations of a graph whose shapes are known; a multiply-add counts two."""
    options = option_builder.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    # TensorFlow's counting of operations calls what TensorFlow itself deprecates.
    with deprecation.silence():
        return int(np.int64(model_analyzer.profile(graph, options=options).total_float_ops))
