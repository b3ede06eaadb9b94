import numpy as np
import pytest

from cdd_keras.data import synthetic
from cdd_keras.data.pairs import load_pair
from cdd_keras.data.preprocessing import Preprocessing
from cdd_keras.data.synthetic import open_collections
from cdd_keras.errors import CddError


def collection(config):
    return open_collections(config, Preprocessing(config.image_size), ("train",))[0]


def test_faces_are_drawn_once_and_labelled(configure, cache):
    faces = collection(configure(synthetic_count=24))
    assert set(faces.columns) == {"eyeglasses", "smiling", "long-hair"}
    images = faces.read(np.array([3, 5]))
    assert images.shape == (2, 16, 16, 3)
    assert (images[0] != images[1]).any()
    (stored,) = cache.iterdir()
    changed = stored.stat().st_mtime_ns
    assert (faces.read(np.array([5]))[0] == images[1]).all()
    assert stored.stat().st_mtime_ns == changed


def test_more_faces_begin_with_the_same(configure):
    few, more = (collection(configure(synthetic_count=count)) for count in (16, 20))
    first = np.arange(16)
    assert (few.read(first) == more.read(first)).all()
    assert (few.labels("smiling")[1] == more.labels("smiling")[1][:16]).all()


def test_processes_draw_what_one_would(configure, monkeypatch):
    here = collection(configure(synthetic_count=16)).read(np.arange(16))
    monkeypatch.setattr(synthetic, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(synthetic, "_RECIPE", "another key")
    assert (collection(configure(synthetic_count=16)).read(np.arange(16)) == here).all()


def test_a_process_that_fails_is_reported(configure, monkeypatch):
    monkeypatch.setattr(synthetic, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(synthetic, "_SEED", "no number")
    with pytest.raises(CddError, match="could not be drawn: ValueError"):
        synthetic._draw_all("nowhere", 4)


def test_a_runs_seed_does_not_change_the_data(configure):
    pairs = [load_pair(configure(synthetic_count=24, seed=seed)) for seed in (0, 1)]
    for place in pairs[0].sets:
        assert (pairs[0].get(*place).ids == pairs[1].get(*place).ids).all()


def test_the_embedded_pair(configure):
    pair = load_pair(configure(synthetic_count=60, attr="Eyeglasses"))
    assert pair.attribute.values == ("no-eyeglasses", "eyeglasses")
    assert pair.names == {"source": "sketch", "target": "photo"}
    sizes = {place: len(images) for place, images in pair.sets.items()}
    assert sizes["train", "source"] + sizes["train", "target"] == 45
    assert sizes["test", "source"] == sizes["test", "target"] == 10
