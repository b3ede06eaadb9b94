"""From the name of a strategy to the devices that a training computes on."""

import functools
import os

import tensorflow as tf

from cdd_keras.devices import OneDevice, SeveralDevices
from cdd_keras.machines import join
from cdd_keras.workers import read_workers


def open_devices(config, say):
    """The devices that `config.strategy` asks for.

    For workers this waits until all have come, and has to be before TensorFlow computes anything.

    Args:
        config: reads `strategy` and `batch_size`.
        say: called with a line for the person watching.

    Raises:
        UsageError: the devices cannot share the batch evenly, or TF_CONFIG is wrong.
        CddError: not all workers have come.
    """
    if config.strategy == "mirrored":
        return _mirrored(config, say)
    if config.strategy == "multiworker":
        return join(config, read_workers(os.environ), say)
    return OneDevice()


def _mirrored(config, say):
    names = [one.name for kind in ("GPU", "CPU") for one in tf.config.list_logical_devices(kind)]
    kind = names[0].split(":")[-2]
    names = [name for name in names if name.split(":")[-2] == kind]
    if len(names) == 1:
        say(f"--strategy mirrored: there is one {kind} only, which computes alone")
        return OneDevice()
    say(f"--strategy mirrored: on {len(names)} {kind}s")
    return SeveralDevices(_mirrored_strategy(tuple(names)), config)


@functools.cache
def _mirrored_strategy(names):
    # Two of them in one process would take each other's collectives for their own.
    return tf.distribute.MirroredStrategy(names)
