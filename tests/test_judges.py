import json
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from stand_ins import SIZE, Attribute, ImageSet, Pair

from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.errors import CddError
from cdd_keras.judges import (
    Judges,
    _accuracies,
    accuracy,
    build_judge,
    load_judges,
    read,
    save_judges,
    thin,
    train_judge,
    train_judges,
)

GLASSES = Attribute("eyeglasses", ("no-eyeglasses", "eyeglasses"))
# Keras 3.15 saves variables through TensorFlow's `__array__`, which NumPy 2.4 finds outdated.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
CONFIG = SimpleNamespace(seed=0, flip=True)


def dots(count, domain, seed):
    """Noise with a bright bar somewhere where the label is 1; dark in the source domain."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (count, SIZE, SIZE, 3)) + 60 * DOMAINS.index(domain)
    labels = rng.integers(0, 2, count)
    for index, row in zip(np.flatnonzero(labels), rng.integers(0, 12, labels.sum()), strict=True):
        images[index, row : row + 4, 2:12] = 250
    return ImageSet(images.astype("uint8"), labels.astype("int32"))


@pytest.fixture(scope="module")
def pair():
    counts = {"train": 200, "validation": 30, "test": 40}
    return Pair(
        GLASSES,
        {
            (split, domain): dots(count, domain, 10 * number + place)
            for number, (split, count) in enumerate(counts.items())
            for place, domain in enumerate(DOMAINS)
        },
    )


@pytest.fixture(scope="module")
def trained(pair, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judges")
    return train_judges(pair, CONFIG, folder, steps=40), folder


def test_judges_learn_their_domain(trained, pair):
    judges, _ = trained
    for domain in DOMAINS:
        assert judges.accuracy[domain]["test"] >= 0.9
        images = pair.get("test", domain)
        assert (
            accuracy(judges.attribute[domain], images.images, images.labels)
            == (judges.accuracy[domain]["test"])
        )
        told = read(judges.domain, images.images) == DOMAINS.index(domain)
        assert told.mean() >= 0.9
    assert judges.accuracy["domain"]["validation"] >= 0.9


def test_a_domain_of_few_images_is_told_from_one_of_many(pair, tmp_path):
    counts = {SOURCE: 200, TARGET: 5}
    few = {
        (split, domain): replace(one, images=one.images[: counts[domain]], labels=None)
        for (split, domain), one in pair.sets.items()
    }
    judges = train_judges(Pair(GLASSES, few), CONFIG, tmp_path, steps=40)
    for number, domain in enumerate(DOMAINS):
        assert np.mean(read(judges.domain, pair.get("test", domain).images) == number) >= 0.8


def test_the_domain_judge_s_accuracy_is_the_mean_of_both_domains(pair):
    sets = dict(pair.sets)
    sets["test", TARGET] = replace(sets["test", TARGET], images=sets["test", TARGET].images[:10])
    always_source = keras.Sequential(
        [keras.Input((SIZE, SIZE, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    always_source.set_weights([np.zeros((SIZE * SIZE * 3, 2)), np.array([1.0, 0.0])])
    found = _accuracies(Pair(GLASSES, sets), {}, always_source)
    assert found["domain"] == {"validation": 0.5, "test": 0.5}


def test_judges_are_saved_whole(trained, pair):
    judges, folder = trained
    assert sorted(path.name for path in folder.iterdir()) == [
        "domain.keras",
        "judges.json",
        "source.keras",
        "target.keras",
    ]
    loaded = load_judges(folder)
    assert loaded.accuracy == judges.accuracy
    assert json.loads((folder / "judges.json").read_text())["judges"] == [
        "domain", "source", "target",
    ]  # fmt: skip
    images = pair.get("test", TARGET).images.astype("float32") / 127.5 - 1
    for before, after in (
        (judges.attribute[TARGET], loaded.attribute[TARGET]),
        (judges.domain, loaded.domain),
    ):
        np.testing.assert_allclose(
            before(images, training=False), after(images, training=False), atol=1e-5
        )


def test_bytes_and_floats_are_read_alike(trained, pair):
    judge = trained[0].attribute[SOURCE]
    images = pair.get("test", SOURCE).images
    np.testing.assert_array_equal(
        read(judge, images, size=7), read(judge, images.astype("float32") / 127.5 - 1)
    )
    assert len(read(judge, images[:0])) == 0


def test_a_seed_settles_a_judge(pair):
    images = pair.get("train", SOURCE)
    first, again, other = (
        train_judge(images.images, images.labels, 2, seed, flip=True, steps=2) for seed in (0, 0, 1)
    )
    for one, two in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    assert np.abs(first.get_weights()[0] - other.get_weights()[0]).max() > 0.01


def test_training_leaves_the_global_seed_and_policy_alone(pair):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        np.random.seed(5)
        images = pair.get("train", SOURCE)
        judge = train_judge(images.images, images.labels, 2, 0, flip=True, steps=1)
        assert np.random.random() == np.random.RandomState(5).random_sample()
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert {layer.compute_dtype for layer in judge.layers} == {"float32"}
        assert judge(images.images[:2] / np.float32(127.5) - 1).dtype == "float32"
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize("size", [16, 28, 32, 64])
def test_images_shrink_to_at_most_eight_pixels(size):
    judge = build_judge(size, 10, seed=0)
    assert judge.output_shape == (None, 10)
    last = [layer for layer in judge.layers if isinstance(layer, keras.layers.Conv2D)][-1]
    assert 4 <= last.output.shape[1] <= 8


def test_flip_only_where_asked():
    kinds = [type(layer).__name__ for layer in build_judge(16, 2, 0, flip=True).layers]
    assert "RandomFlip" in kinds
    assert "RandomFlip" not in [type(layer).__name__ for layer in build_judge(16, 2, 0).layers]


def test_domains_without_usable_labels_have_no_judge(pair, tmp_path):
    train = pair.get("train", TARGET)
    for labels in (None, np.zeros_like(train.labels)):
        sets = {("train", TARGET): ImageSet(train.images, labels)}
        judges = train_judges(Pair(GLASSES, sets), CONFIG, tmp_path, steps=1)
        assert judges.attribute == {}
        assert judges.domain is None
        assert judges.accuracy["target"] == {"validation": None, "test": None}
        assert load_judges(tmp_path).attribute == {}


def test_missing_and_damaged_judges_are_named(tmp_path):
    with pytest.raises(CddError, match=r"judges.*cannot be read"):
        load_judges(tmp_path)
    save_judges(Judges({SOURCE: build_judge(16, 2, 0)}), tmp_path)
    (tmp_path / "source.keras").write_bytes(b"not a zip")
    with pytest.raises(CddError, match=r"judges.*cannot be read"):
        load_judges(tmp_path)


def test_thin_spreads_evenly():
    np.testing.assert_array_equal(thin(np.arange(100), 4), [0, 33, 66, 99])
    assert len(thin(np.arange(3), 4)) == 3
