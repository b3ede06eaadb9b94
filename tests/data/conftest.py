"""Small data sets for the tests of the data package."""

import pytest
from stand_ins import make_celeba, noise_image

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


@pytest.fixture
def draw_image():
    return noise_image


@pytest.fixture
def celeba(tmp_path):
    """A CelebA-like folder: 24 train, 8 validation and 8 test images.

    Every second face smiles, every fourth wears glasses; identities are not listed.
    """
    return make_celeba(tmp_path / "celeba")
