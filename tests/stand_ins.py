"""Small stand-ins with known answers, for tests of what reads models and data."""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from PIL import Image

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.objective import Traits
from cdd_keras.use import Abilities

SIZE = 16


@dataclass(frozen=True)
class Attribute:
    name: str
    values: tuple[str, ...]


GLASSES = Attribute("eyeglasses", ("no-eyeglasses", "eyeglasses"))


@dataclass(frozen=True)
class ImageSet:
    images: np.ndarray
    labels: np.ndarray | None
    ids: tuple[str, ...] = ()


class SecretSet:
    """Images whose labels may not be read."""

    def __init__(self, images):
        self.images = images

    @property
    def labels(self):
        raise AssertionError("the target's labels were read")


@dataclass(frozen=True)
class Pair:
    attribute: Attribute
    sets: dict
    names: dict = field(default_factory=lambda: {SOURCE: "sketch", TARGET: "photo"})

    def get(self, split, domain):
        return self.sets[split, domain]


def paint(values, domain, classes=2):
    """Float images that show a value in the first channel and a domain in the second."""
    values = np.asarray(values, "float32")
    images = np.full((len(values), SIZE, SIZE, 3), -1.0, "float32")
    images[..., 0] = (-1 + 2 * (values + 1) / (classes + 1))[:, None, None]
    images[..., 1] = 2.0 * DOMAINS.index(domain) - 1
    return images


def painted_set(labels, domain, classes=2, shown=None):
    """Real images of a domain; `shown` differs from the labels where they deceive."""
    images = paint(labels if shown is None else shown, domain, classes)
    return ImageSet(np.rint((images + 1) * 127.5).astype("uint8"), np.asarray(labels, "int32"))


def seen_value(images, classes=2):
    levels = np.asarray(images, "float32")[..., 0].mean((1, 2))
    return np.rint((levels + 1) * (classes + 1) / 2 - 1).astype(int)


def seen_domain(images):
    return (np.asarray(images, "float32")[..., 1].mean((1, 2)) > 0).astype(int)


def certain(values, classes=2, confidence=0.9):
    """Log-probabilities that give each value `confidence`."""
    rest = (1 - confidence) / (classes - 1)
    chosen = np.eye(classes)[np.clip(values, 0, classes - 1)]
    return np.log(rest + (confidence - rest) * chosen).astype("float32")


class Judge:
    """Reads what `paint` painted."""

    def __init__(self, look):
        self.look = look

    def __call__(self, images, training):
        return np.eye(16)[self.look(images)]


class Model(Abilities):
    """A model that paints what it is asked, with the flaws a test gives it."""

    has_encoder = has_generator = has_prior = True
    traits = Traits()
    image_size = SIZE

    def __init__(self, classes=2):
        self.classes = classes
        self.largest_batch = 0

    def classify(self, images, domain):
        self.largest_batch = max(self.largest_batch, len(images))
        return tf.constant(certain(seen_value(images, self.classes), self.classes))

    def branches(self, images, domain):
        branches = {"direct": self.classify(images, domain)}
        if domain == TARGET and self.has_encoder:
            branches["translated"] = self.classify(images, SOURCE)
        return branches

    def translate(self, images, source, target, values):
        own = seen_value(images, self.classes)
        values = np.where(np.asarray(values) < 0, own, values)
        return tf.constant(paint(values, target, self.classes))

    def sample(self, values, domain, seed):
        return tf.constant(paint(values, domain, self.classes))


def noise_image(index: int, height: int = 30, width: int = 24) -> np.ndarray:
    """A different image for each index."""
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)


def make_celeba(folder):
    """A CelebA-like folder: 24 train, 8 validation and 8 test images, in the standard layout."""
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(1, 41)]
    for i, name in enumerate(names):
        Image.fromarray(noise_image(i)).save(folder / "img_align_celeba" / name, quality=95)
    signs = [(1 - 2 * (i % 2), 1 - 2 * (i % 4 > 0), -1) for i in range(40)]
    rows = [
        f"{name} {' '.join(f'{s:2d}' for s in row)}" for name, row in zip(names, signs, strict=True)
    ]
    table = ["40", "Smiling Eyeglasses Wearing_Hat", *rows, ""]
    (folder / "list_attr_celeba.txt").write_text("\n".join(table))
    split = [0] * 24 + [1] * 8 + [2] * 8
    partition = [f"{name} {part}\n" for name, part in zip(names, split, strict=True)]
    (folder / "list_eval_partition.txt").write_text("".join(partition))
    return folder
