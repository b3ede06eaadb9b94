"""Small data sets for the tests of the data package."""

import numpy as np
import pytest
from PIL import Image

from cdd_keras.config import Config


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CDD_KERAS_CACHE", str(folder))
    return folder


@pytest.fixture
def configure():
    """`Config` of 16-pixel images."""

    def make(**fields):
        return Config(**{"attr": "smiling", "image_size": 16, **fields})

    return make


def noise_image(index: int, height: int = 30, width: int = 24) -> np.ndarray:
    """A different image for each index."""
    return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def draw_image():
    return noise_image


@pytest.fixture
def celeba(tmp_path):
    """A CelebA-like folder: 24 train, 8 validation and 8 test images.

    Every second face smiles, every fourth wears glasses; identities are not listed.
    """
    folder = tmp_path / "celeba"
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
