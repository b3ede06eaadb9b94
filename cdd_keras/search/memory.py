"""Letting go of what a trial's training left in the process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import keras
from tensorflow.python.framework import ops


@contextmanager
def forgotten() -> Iterator[None]:
    """What is traced inside is let go of at the end, with the graphs it holds.

    TensorFlow keeps the gradient of every `tf.custom_gradient` it ever traced in a registry, and
    by it the whole graph around. Activations, channel norms and Keras's optimisers (the sum over
    replicas) trace one each, so a trial of `cdd` left its training step behind: 86 MiB at the
    smallest size. Nothing asks for such a gradient once its graph is gone.
    """
    registry = ops.gradient_registry._registry
    before = set(registry)
    try:
        yield
    finally:
        for name in set(registry) - before:
            del registry[name]
        keras.backend.clear_session()
        gc.collect()
