"""Models and batches small enough to train a step in a test."""

import numpy as np

SIZE = 16
BATCH = 4


def config(method="cdd", **settings):
    """A configuration whose networks are tiny; edits are in its first phase."""
    from cdd_keras.config import Config

    sizes = {"image_size": SIZE, "channels": 4, "discriminator_channels": 4, "code_size": 4}
    small = {**sizes, "batch_size": BATCH, "steps": 20, "edit_start": 0.0, "ramp": 0.0}
    # On a busy machine too, checkpoints come with evaluations alone.
    small["checkpoint_seconds"] = 3600.0
    return Config(attr="eyeglasses", method=method, **{**small, **settings})


def build(method="cdd", classes=2, seed=0, **settings):
    """A compiled model with initial weights of the seed."""
    import keras

    from cdd_keras.model import CrossDomainModel

    keras.utils.set_random_seed(seed)
    model = CrossDomainModel(config(method, **settings), classes)
    model.compile()
    return model


def images(seed=0, count=BATCH):
    """uint8 (count, SIZE, SIZE, 3), smooth so that codes and classes have something to hold."""
    draws = np.random.default_rng(seed)
    coarse = draws.integers(0, 256, (count, SIZE // 4, SIZE // 4, 3), "uint8")
    return coarse.repeat(4, 1).repeat(4, 2)


def floats(seed=0, count=BATCH):
    """float32 in [-1, 1], else as `images`."""
    return images(seed, count).astype("float32") / 127.5 - 1


def labels(count=BATCH):
    """int32 (count,), 0 and 1 in turn."""
    return np.arange(count, dtype="int32") % 2


def batch(method="cdd", seed=0):
    """A training batch as the pipeline gives it to `method`."""
    import tensorflow as tf

    def labelled(seed):
        return tf.constant(images(seed)), tf.constant(labels())

    target = labelled(seed + 1)
    return labelled(seed), target if method == "oracle" else target[0]


def batches(count, method="cdd", make=images):
    """A data set of `count` different batches."""
    import tensorflow as tf

    number = count * BATCH
    source, target = ((make(seed, number), labels(number)) for seed in (10, 11))
    data = (source, target if method == "oracle" else target[0])
    return tf.data.Dataset.from_tensor_slices(data).batch(BATCH, drop_remainder=True)


def fit(model, data, **settings):
    """The history of `fit` on a data set; Keras 3.15 warns of its own default for `shuffle`."""
    return model.fit(data, **{"shuffle": False, "verbose": 0, **settings}).history


def values(variables):
    """The numbers in Keras variables."""
    return [np.array(variable.numpy()) for variable in variables]


def equal(first, second):
    """Whether two lists of arrays are the same to the last bit."""
    pairs = zip(first, second, strict=True)
    return all(np.array_equal(one, two, equal_nan=True) for one, two in pairs)


class Always:
    """Draws that give the same number, between the bounds that are asked for.

    Args:
        at: 0 for the lower bound, 1 for the upper one.
    """

    def __init__(self, at):
        self.at = at

    def uniform(self, shape, low, high, axis=0):
        import tensorflow as tf

        return tf.fill(shape, low + self.at * (high - low))
