"""Steps of cdd_keras written down so that another program can repeat them."""

import dataclasses

import numpy as np
import tensorflow as tf

import cdd_keras.model
from cdd_keras.layers.random import Draws
from cdd_keras.networks.classifier import DROPOUT
from speed.steps import as_tensors, build_model, random_batch


class RecordedDraws(Draws):
    """`Draws` that keeps what it hands out; of a seed asked for, the dropout that it gives.

    Args:
        seed, step: see `Draws`.
        features: shapes of what dropout is applied to, one each time.
    """

    def __init__(self, seed, step, features):
        super().__init__(seed, step)
        self.kept = []
        self._features = list(features)
        self._inside = False

    def seed(self):
        seed = super().seed()
        if not self._inside:
            ones = tf.ones(self._features.pop(0))
            mask = tf.nn.experimental.stateless_dropout(ones, DROPOUT, seed)
            self.kept.append(mask.numpy())
        return seed

    def _keep(self, draw, *arguments):
        self._inside = True
        drawn = draw(*arguments)
        self._inside = False
        self.kept.append(drawn.numpy())
        return drawn

    def normal(self, shape):
        return self._keep(super().normal, shape)

    def uniform(self, shape, low, high):
        return self._keep(super().uniform, shape, low, high)

    def integers(self, shape, low, high):
        return self._keep(super().integers, shape, low, high)

    def categories(self, probabilities):
        return self._keep(super().categories, probabilities)


def record(path, settings, steps):
    """Writes weights, batches and draws of `cdd`'s steps to an .npz file.

    Returns:
        The configuration as a dict, the number of values, and each step's {player/term: loss}.
    """
    model = build_model({**settings, "precision": "float32"})
    _stir(model)
    arrays = {"step": np.int64(model.step.numpy())}
    batches = [random_batch(model.config, seed) for seed in range(max(1, steps))]
    model.belief.know(batches[0][0][1])
    for name, network in model.networks.items():
        for number, weight in enumerate(network.weights):
            arrays[f"weights/{name}/{number}"] = weight.numpy()
    for number, weight in enumerate(model.belief.weights):
        arrays[f"belief/{number}"] = weight.numpy()
    for number, ((source, labels), target) in enumerate(batches):
        place = f"batch/{number}"
        arrays |= {f"{place}/source": source, f"{place}/target": target, f"{place}/labels": labels}
    losses = []
    for number, batch in enumerate(batches[:steps]):
        found, draws = _recorded_step(model, batch)
        losses.append(found)
        arrays |= {f"draws/{number}/{place}": draw for place, draw in enumerate(draws)}
    np.savez(path, **arrays)
    return {
        "config": dataclasses.asdict(model.config),
        "classes": model.classes,
        "losses": losses,
    }


def _stir(model):
    """Moves all weights: at their start residual branches are zero, which would hide their work."""
    draws = np.random.default_rng(2)
    for name, network in model.networks.items():
        for weight in network.trainable_weights:
            weight.assign_add(draws.normal(0, 0.02, weight.shape))
        for kept, weight in zip(model.averaged[name].weights, network.weights, strict=True):
            kept.assign(weight)


def _recorded_step(model, batch):
    """Takes one step eagerly; gives its losses and its draws."""
    length, count = model.networks["classifier"].length, model.config.batch_size
    made = []

    def recorded(seed, step):
        made.append(RecordedDraws(seed, step, [(count, length), (2 * count, length)]))
        return made[-1]

    plain, cdd_keras.model.Draws = cdd_keras.model.Draws, recorded
    try:
        for metric in model.metrics:
            metric.reset_state()
        found = model.train_step(as_tensors(batch))
    finally:
        cdd_keras.model.Draws = plain
    losses = {name: float(value) for name, value in found.items() if "/" in name}
    return losses, made[0].kept
