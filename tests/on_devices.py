"""Tiny models trained for 20 steps on the devices of a strategy: a process of `test_devices`.

    python on_devices.py STRATEGY CPUS FOLDER METHOD-OPTIMISER ...

writes FOLDER/METHOD-OPTIMISER.npz, with all weights and the losses; OPTIMISER is `adam`, the
method's own, or `sgd`. Behind it may stand a setting that is on: `-deterministic`, `-exact_sums`.
`benchmarks/devices.py` compares more of them than the tests do.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tiny

from cdd_keras.data import training_batches
from cdd_keras.data.sets import ImageSet
from cdd_keras.strategies import open_devices

# Kernels take eight numbers at once, or sixteen, and those left over one by one.
BATCH = 32
STEPS = 20


def main(strategy, cpus, folder, *trainings):
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * int(cpus)
    tf.config.set_logical_device_configuration(cpu, parts)
    devices = open_devices(
        tiny.config(batch_size=BATCH, strategy=strategy), lambda line: print(line, file=sys.stderr)
    )
    for training in trainings:
        method, optimiser, *on = training.split("-")
        settings = {"strategy": strategy, **dict.fromkeys(on, True)}
        model, losses = train(method, optimiser, devices, **settings)
        if devices.is_chief:
            np.savez(Path(folder) / f"{training}.npz", losses, *tiny.values(model.weights))
    devices.wait()


def train(method, optimiser, devices, **settings):
    """The trained model, and the means of its losses."""
    # Only the chief's initial weights count.
    seed = 0 if devices.is_chief else 1
    model = tiny.build(method, seed=seed, batch_size=BATCH, **settings)
    if optimiser == "sgd":
        players = model.recipe.players
        model.compile({player.name: keras.optimizers.SGD(1e-3) for player in players})
    model.devices = devices
    devices.agree(model.state)
    count = 5 * BATCH
    ids = np.arange(count).astype(str)
    sets = [ImageSet(tiny.images(seed, count), tiny.labels(count), ids) for seed in (0, 1)]
    data = training_batches(*sets, batch_size=BATCH, seed=0, balanced=True, share=devices.share)
    history = tiny.fit(model, data, steps_per_epoch=STEPS)
    return model, np.array([history[name][0] for name in sorted(history)])


if __name__ == "__main__":
    main(*sys.argv[1:])
