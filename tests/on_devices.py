"""Tiny models trained for 20 steps on the devices of a strategy: a process of `test_devices`.

    python on_devices.py STRATEGY CPUS FOLDER [METHOD-OPTIMISER ...]

writes FOLDER/METHOD-OPTIMISER.npz, with all weights and the losses; OPTIMISER is `adam`, the
method's own, or `sgd`, and with `-smooth` behind it on networks without kinks.
`benchmarks/devices.py` compares more of them than the tests do.
"""

import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from cdd_keras.data import training_batches
from cdd_keras.data.sets import ImageSet
from cdd_keras.layers.blocks import LEAK, LeakyReLU
from cdd_keras.strategies import open_devices

TRAININGS = ("acgan-adam", "dann-sgd")
BATCH = 8
STEPS = 20


def main(strategy, cpus, folder, *trainings):
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * int(cpus)
    tf.config.set_logical_device_configuration(cpu, parts)
    config = tiny.config(batch_size=BATCH, strategy=strategy)
    devices = open_devices(config, lambda line: print(line, file=sys.stderr))
    for training in trainings or TRAININGS:
        method, optimiser, *smooth = training.split("-")
        with {"": nullcontext, "smooth": kinks_smoothed}["".join(smooth)]():
            model, losses = train(method, optimiser, strategy, devices)
        if devices.is_chief:
            np.savez(Path(folder) / f"{training}.npz", losses, *tiny.values(model.weights))
    devices.wait()


@contextmanager
def kinks_smoothed():
    """Activations with a smooth bend, and means in place of maxima; losses keep their kinks.

    At a kink the last bit of a number decides on a whole slope: what remains without them is how
    far rounding alone takes the weights.
    """

    def bent(_, inputs):
        return LEAK * inputs + (1.0 - LEAK) * 0.25 * tf.nn.softplus(4.0 * inputs)

    def mean(_, inputs):
        return tf.nn.avg_pool2d(inputs, 2, 2, "VALID")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LeakyReLU, "call", bent)
        patch.setattr(keras.layers.MaxPooling2D, "call", mean)
        yield


def train(method, optimiser, strategy, devices):
    """The trained model, and the means of its losses."""
    # Only the chief's initial weights count.
    seed = 0 if devices.is_chief else 1
    model = tiny.build(method, seed=seed, batch_size=BATCH, strategy=strategy)
    if optimiser == "sgd":
        players = model.recipe.players
        model.compile({player.name: keras.optimizers.SGD(1e-3) for player in players})
    model.devices = devices
    devices.agree(model.state)
    ids = np.arange(40).astype(str)
    sets = [ImageSet(tiny.images(seed, 40), tiny.labels(40), ids) for seed in (0, 1)]
    data = training_batches(*sets, batch_size=BATCH, seed=0, balanced=True, share=devices.share)
    history = tiny.fit(model, data, steps_per_epoch=STEPS)
    return model, np.array([history[name][0] for name in sorted(history)])


if __name__ == "__main__":
    main(*sys.argv[1:])
