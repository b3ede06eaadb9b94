"""Judges: independent classifiers that read generated images, for reporting alone.

One reads the attribute in each domain, one tells the domains apart. They are trained on real
images, share nothing with the model, and nothing that trains or selects sees them.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from cdd_keras.data.preprocessing import to_float
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.errors import CddError
from cdd_keras.files import replacing, write_json

BATCH = 64
LEARNING_RATE = 2e-3
# Enough for the faces and digits at hand; a large data set is not gone through to its end.
EPOCHS, MIN_STEPS, MAX_STEPS = 12, 150, 1000
DOMAIN_STEPS = 150
DOMAIN_JUDGE = "domain"
INDEX = "judges.json"


@dataclass(frozen=True)
class Judges:
    """Trained judges and how well they read real images.

    Attributes:
        attribute: domain -> model of images, float32 in [-1, 1], (n, height, width, 3), to class
            logits, (n, classes). A domain without usable labels has none.
        domain: model of the same images to logits, (n, 2), in the order of `DOMAINS`, or None.
        accuracy: judge ("source", "target", "domain") -> split -> fraction of 1, or None; that of
            the domain judge is the mean of both domains'.
    """

    attribute: dict[str, keras.Model]
    domain: keras.Model | None = None
    accuracy: dict[str, dict[str, float | None]] = field(default_factory=dict)


def train_judges(pair, config, folder, steps: int | None = None) -> Judges:
    """Train the judges of a pair on its training split and save them.

    Args:
        pair: a `DomainPair`. Its target training labels are read here, and for reporting only.
        config: its `seed` and `flip` are used, so every method of a seed has the same judges.
        folder: where `source.keras`, `target.keras`, `domain.keras` and `judges.json` go.
        steps: training steps of each judge instead of their own numbers.
    """
    sets = {d: pair.sets[("train", d)] for d in DOMAINS if ("train", d) in pair.sets}
    classes, attribute = len(pair.attribute.values), {}
    for number, (domain, one) in enumerate(sets.items()):
        # A domain whose training labels are unknown or all equal teaches no judge.
        if one.labels is not None and len(np.unique(one.labels)) > 1:
            seed = 3 * config.seed + number
            attribute[domain] = train_judge(
                one.images, one.labels, classes, seed, config.flip, steps
            )
    judge = _train_domain_judge(sets, config, steps or DOMAIN_STEPS)
    judges = Judges(attribute, judge, _accuracies(pair, attribute, judge))
    save_judges(judges, folder)
    return judges


def _train_domain_judge(sets, config, steps):
    if len(sets) < 2 or any(len(one.images) == 0 for one in sets.values()):
        return None
    parts = [thin(one.images, steps * BATCH // 2) for one in sets.values()]
    # Each domain as often as the other, or what is drawn of a rare one is taken for the common.
    most = max(map(len, parts))
    parts = [part[np.arange(most) % len(part)] for part in parts]
    labels = np.repeat([0, 1], most)
    return train_judge(np.concatenate(parts), labels, 2, 3 * config.seed + 2, config.flip, steps)


def thin(array, limit: int):
    """At most `limit` examples, spread evenly, as files are often sorted."""
    if len(array) <= limit:
        return array
    return array[np.linspace(0, len(array) - 1, limit).astype(int)]


def train_judge(images, labels, classes: int, seed: int, flip: bool, steps: int | None = None):
    """A judge trained on real labelled images.

    Args:
        images: uint8, (n, size, size, 3).
        labels: int, (n,), 0 to `classes` - 1.
        classes, seed, flip: see `build_judge`.
        steps: batches of 64 to train on; None: 12 epochs, within bounds. Images beyond what
            they can hold are not read.

    Returns:
        A `keras.Model` to logits, (n, classes).
    """
    steps = steps or int(np.clip(EPOCHS * len(images) // BATCH, MIN_STEPS, MAX_STEPS))
    judge = build_judge(images.shape[1], classes, seed, flip)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    judge.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float32"),
        jit_compile=False,
        auto_scale_loss=False,
    )
    images, labels = thin(images, steps * BATCH), thin(labels, steps * BATCH)
    data = tf.data.Dataset.from_tensor_slices((images, labels.astype("int32")))
    data = data.shuffle(len(images), seed=seed).repeat().batch(BATCH).take(steps)
    judge.fit(data.map(lambda x, y: (to_float(x), y)).prefetch(2), shuffle=False, verbose=0)
    return judge


def build_judge(image_size: int, classes: int, seed: int, flip: bool = False) -> keras.Model:
    """A small CNN, float32 whatever the global policy is, with initial weights of `seed` alone.

    Images are halved until they are at most 8 pixels wide; the maximum over what is left finds a
    thing wherever it is.

    Args:
        image_size: height and width in pixels, at least 16.
        classes: how many logits.
        seed: of weights, dropout and mirroring.
        flip: mirror half of the images in training.
    """
    seeds = iter(range(100 * seed, 100 * seed + 100))
    stack = [layers.RandomFlip("horizontal", seed=next(seeds), dtype="float32")] if flip else []
    channels, size = 32, image_size // 2
    stack += _block(channels, next(seeds), kernel=4, strides=2)
    while size > 8:
        channels, size = min(2 * channels, 128), size // 2
        stack += [layers.MaxPool2D(dtype="float32"), *_block(channels, next(seeds))]
    stack += _block(min(2 * channels, 128), next(seeds))
    stack += [layers.GlobalMaxPool2D(dtype="float32")]
    stack += [layers.Dropout(0.4, seed=next(seeds), dtype="float32")]
    start = keras.initializers.GlorotUniform(next(seeds))
    stack += [layers.Dense(classes, kernel_initializer=start, dtype="float32")]
    return keras.Sequential([keras.Input((image_size, image_size, 3), dtype="float32"), *stack])


def _block(channels: int, seed: int, kernel: int = 3, strides: int = 1) -> list:
    start = keras.initializers.HeNormal(seed)
    settings = {"padding": "same", "kernel_initializer": start, "dtype": "float32"}
    return [
        layers.Conv2D(channels, kernel, strides, **settings),
        layers.BatchNormalization(momentum=0.9, dtype="float32"),
        layers.LeakyReLU(0.2, dtype="float32"),
    ]


def read(judge, images, size: int = 250) -> np.ndarray:
    """What a judge sees: the index of its highest logit, int, (n,).

    Args:
        judge: one of a `Judges`' models.
        images: float32 in [-1, 1], or uint8, (n, height, width, 3).
        size: images a batch.
    """
    chosen = [np.empty(0, "int64")]
    for start in range(0, len(images), size):
        batch = _floats(images[start : start + size])
        chosen.append(np.asarray(judge(batch, training=False)).argmax(-1))
    return np.concatenate(chosen)


def features(judge, images, size: int = 250) -> np.ndarray:
    """What a judge's last layer reads, float32, (n, features); for the arguments see `read`."""
    inner = keras.Model(judge.inputs[0], judge.layers[-1].input)
    found = [np.empty((0, inner.output.shape[-1]), "float32")]
    for start in range(0, len(images), size):
        found.append(np.asarray(inner(_floats(images[start : start + size]), training=False)))
    return np.concatenate(found)


def _floats(images):
    return to_float(images) if images.dtype == np.uint8 else images


def accuracy(judge, images, labels) -> float | None:
    """Share of real images that a judge reads rightly; None without judge, images or labels."""
    if judge is None or labels is None or len(images) == 0:
        return None
    return float(np.mean(read(judge, images) == np.asarray(labels)))


def _accuracies(pair, attribute, domain_judge) -> dict:
    figures = {SOURCE: {}, TARGET: {}, DOMAIN_JUDGE: {}}
    for split in ("validation", "test"):
        shares = []
        for number, domain in enumerate(DOMAINS):
            images = pair.sets.get((split, domain))
            figures[domain][split] = None
            if images is None:
                continue
            figures[domain][split] = accuracy(attribute.get(domain), images.images, images.labels)
            share = accuracy(domain_judge, images.images, np.full(len(images.images), number))
            if share is not None:
                shares.append(share)
        figures[DOMAIN_JUDGE][split] = float(np.mean(shares)) if shares else None
    return figures


def save_judges(judges: Judges, folder) -> None:
    """Write the judges and `judges.json`, each whole or not at all, the index last."""
    folder = Path(folder)
    models = {**judges.attribute, DOMAIN_JUDGE: judges.domain}
    models = {name: model for name, model in models.items() if model is not None}
    for name, model in models.items():
        with replacing(folder / f"{name}.keras") as temporary:
            model.save(temporary)
    write_json(folder / INDEX, {"judges": sorted(models), "accuracy": judges.accuracy})


def load_judges(folder) -> Judges:
    """The judges that `save_judges` wrote.

    Raises:
        CddError: there are none, or a file is missing or damaged.
    """
    folder = Path(folder)
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        models = {
            name: keras.models.load_model(folder / f"{name}.keras", compile=False)
            for name in index["judges"]
        }
        return Judges(models, models.pop(DOMAIN_JUDGE, None), index["accuracy"])
    except (OSError, ValueError, KeyError) as error:
        raise CddError(
            f"The judges in {folder} cannot be read: {error}. Expected {INDEX} and the .keras "
            "files it names; a finished training run leaves them in its judges/ folder."
        ) from error
