import numpy as np
import pytest
import tensorflow_datasets as tfds

from cdd_keras.data.pairs import load_pair
from cdd_keras.errors import UsageError


@pytest.fixture
def faces(tmp_path, draw_image):
    """A stored set called celeb_a: 24 train, 8 validation and 8 test images."""

    def example(i):
        return {
            "image": draw_image(i, 218, 178),
            "attributes": {"Smiling": i % 2 == 0, "Eyeglasses": i % 4 == 0},
            "identity": {"Identity_No": i // 2},
            "landmarks": {"nose_x": i},
        }

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(218, 178, 3), encoding_format="jpeg"),
            "attributes": {"Smiling": np.bool_, "Eyeglasses": np.bool_},
            "identity": {"Identity_No": np.int64},
            "landmarks": {"nose_x": np.int64},
        }
    )
    ranges = {"train": range(24), "validation": range(24, 32), "test": range(32, 40)}
    return store(tmp_path, "celeb_a", "2.1.0", features, ranges, example)


def store(folder, name, version, features, ranges, example):
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=version,
        features=features,
        split_datasets={split: [(i, example(i)) for i in ids] for split, ids in ranges.items()},
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


def store_digits(folder, name, channels, first):
    def example(i):
        image = np.full((28, 28, channels), first + i, np.uint8)
        return {"image": image, "label": i % 10}

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(28, 28, channels)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
    )
    ranges = {"train": range(40), "test": range(40, 60)}
    return store(folder, name, "1.0.0", features, ranges, example)


@pytest.fixture
def load(tmp_path, configure):
    def load_tfds(splits=("train", "validation", "test"), **fields):
        config = configure(data="tfds", data_dir=str(tmp_path), **fields)
        return load_pair(config, splits)

    return load_tfds


def test_boolean_attributes(faces, load):
    pair = load(tfds_name="celeb_a", attr="smiling")
    assert pair.attribute.values == ("no-smiling", "smiling")
    for images in pair.sets.values():
        numbers = np.array([int(name[-7:]) for name in images.ids])
        # All parts of the set begin with an even index.
        assert (images.labels == (numbers % 2 == 0)).all()
        assert images.images.shape[1:] == (16, 16, 3)
    train = {*pair.get("train", "source").ids} | {*pair.get("train", "target").ids}
    assert len(train) == 24
    people = [
        {int(name[-7:]) // 2 for name in pair.get("train", domain).ids}
        for domain in ("source", "target")
    ]
    assert not people[0] & people[1]


def test_images_belong_to_their_ids(faces, load, draw_image):
    images = load(("test",), tfds_name="celeb_a", domains="without-with:eyeglasses", crop=1.0).get(
        "test", "target"
    )
    assert images.ids.tolist() == ["celeb_a/test/0000000", "celeb_a/test/0000004"]
    for image, index in zip(images.images, (32, 36), strict=True):
        top = (218 - 178) * 55 // 100
        expected = draw_image(index, 218, 178)[top : top + 178].mean((0, 1))
        assert abs(image.mean((0, 1)) - expected).max() < 3


def test_two_labelled_sets(tmp_path, load):
    store_digits(tmp_path, "grey_digits", 1, 0)
    store_digits(tmp_path, "colour_digits", 3, 100)
    for attr in ("label", "digit"):
        pair = load(domains="grey_digits-colour_digits", attr=attr, validation_fraction=0.25)
        assert pair.attribute.values == tuple("0123456789")
    assert pair.names == {"source": "grey_digits", "target": "colour_digits"}
    sizes = [len(pair.get(split, "source")) for split in ("train", "validation", "test")]
    assert sizes == [30, 10, 20]
    for (_, domain), images in pair.sets.items():
        first = {"source": 0, "target": 100}[domain]
        assert ((images.images[:, 8, 8, 0] - first) % 10 == images.labels).all()
        assert (images.images == images.images[..., :1]).all()


def test_missing_faces_are_explained(load, tmp_path):
    with pytest.raises(UsageError) as caught:
        load(tfds_name="celeb_a")
    message = str(caught.value)
    assert f"not on this machine (looked in {tmp_path / 'celeb_a'}" in message
    assert "download_and_prepare" in message
    assert "img_align_celeba/" in message
    assert "--data celeba --data-dir FOLDER" in message


def test_other_missing_sets_are_explained(load):
    with pytest.raises(UsageError, match=r"The data set mnist is not on this machine") as caught:
        load(domains="mnist-svhn_cropped", attr="label")
    assert "celeba" not in str(caught.value)


def test_unknown_sets_are_named(load):
    with pytest.raises(UsageError, match="mnits is not a TensorFlow Datasets set"):
        load(tfds_name="mnits")


def test_a_name_is_required_for_one_set(load):
    with pytest.raises(UsageError, match="`tfds_name` is required"):
        load()


def test_unknown_attributes_are_named(faces, load):
    with pytest.raises(UsageError, match=r"the data set celeb_a: 'smile'\. Did you mean Smiling"):
        load(tfds_name="celeb_a", attr="smile")


@pytest.mark.parametrize("missing", ["image", "label"])
def test_sets_of_another_kind_are_refused(tmp_path, load, missing):
    features = {
        "image": tfds.features.Image(shape=(28, 28, 3)),
        "label": tfds.features.ClassLabel(num_classes=2),
        "number": tfds.features.Scalar(np.int64),
    }
    values = {"image": np.zeros((28, 28, 3), np.uint8), "label": 0, "number": 1}
    del features[missing]

    def example(_):
        return {name: values[name] for name in features}

    kept = tfds.features.FeaturesDict(features)
    store(tmp_path, "others", "1.0.0", kept, {"train": range(2)}, example)
    with pytest.raises(UsageError, match=f"has (no `{missing}`|neither a class {missing})"):
        load(tfds_name="others")
