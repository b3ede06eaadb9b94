"""A search so small that a trial takes a second: a classifier of painted images."""

import numpy as np
import pytest
import tiny

from cdd_keras.data.attributes import Attribute
from cdd_keras.data.sets import DomainPair, ImageSet
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.search import Plan, SearchFolder, parse_objective, parse_space

SPLITS = ("train", "validation", "test")
SPACE = {
    "classifier_rate": {"min": 1e-3, "max": 1e-2, "scale": "log"},
    "channels": {"values": [2, 4]},
}


@pytest.fixture(scope="session")
def pair():
    """All splits of both domains, 16 images each, the value in their brightness."""
    sets = {}
    for number, place in enumerate((split, domain) for split in SPLITS for domain in DOMAINS):
        labels = tiny.labels(16)
        images = tiny.images(number, 16) // 2 + 100 * labels[:, None, None, None].astype("uint8")
        sets[place] = ImageSet(images, labels, np.array([f"{number}-{i}" for i in range(16)]))
    names = {SOURCE: "sketch", TARGET: "photo"}
    return DomainPair(Attribute("eyeglasses", ("no-eyeglasses", "eyeglasses")), names, sets)


@pytest.fixture
def make_plan(tmp_path):
    """Makes a plan with a prepared folder; settings are those of `Plan` and of the base."""

    def make(space=SPACE, objective="infomax", tuner="random", max_trials=3, **settings):
        small = {"method": "source_only", "steps": 4, "evaluate_every": 0.5}
        config = tiny.config(**{**small, "precision": "float32", "deterministic": True, **settings})
        folder = SearchFolder(tmp_path / "search")
        plan = Plan(
            config, parse_space(space), parse_objective(objective), tuner, max_trials, folder
        )
        plan.prepare(resume=folder.plan.is_file(), overwrite=False)
        return plan

    return make


@pytest.fixture
def plan(make_plan):
    return make_plan()
