"""Steps of cdd_keras written down so that another program can repeat them."""

import dataclasses

import numpy as np
import tensorflow as tf

import cdd_keras.forward
from cdd_keras.layers.random import Draws
from speed.steps import as_tensors, build_model, random_batch


class RecordedDraws(Draws):
    """`Draws` that keeps what it hands out; of dropout, what features are multiplied by."""

    def __init__(self, seed, step, share):
        super().__init__(seed, step, share)
        self.kept = []

    def _keep(self, draw, *arguments, **keywords):
        drawn = draw(*arguments, **keywords)
        self.kept.append(drawn.numpy())
        return drawn

    def normal(self, shape):
        return self._keep(super().normal, shape)

    def uniform(self, shape, low, high, axis=0):
        return self._keep(super().uniform, shape, low, high, axis=axis)

    def integers(self, shape, low, high):
        return self._keep(super().integers, shape, low, high)

    def categories(self, probabilities):
        return self._keep(super().categories, probabilities)

    def dropout(self, features, rate):
        return features * self._keep(super().dropout, tf.ones_like(features), rate)


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
    made = []

    def recorded(*arguments):
        made.append(RecordedDraws(*arguments))
        return made[-1]

    plain, cdd_keras.forward.Draws = cdd_keras.forward.Draws, recorded
    try:
        for metric in model.metrics:
            metric.reset_state()
        found = model.train_step(as_tensors(batch))
    finally:
        cdd_keras.forward.Draws = plain
    losses = {name: float(value) for name, value in found.items() if "/" in name}
    return losses, made[0].kept
