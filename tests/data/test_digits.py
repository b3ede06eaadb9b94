import numpy as np
import pytest

from cdd_keras.data.pairs import load_pair
from cdd_keras.errors import UsageError


def arrays(size, train=40, test=20):
    draw = np.random.default_rng(size)
    return {
        "train_images": draw.integers(0, 256, (train, size, size), np.uint8),
        "train_labels": (np.arange(train) % 10).astype(np.uint8),
        "test_images": draw.integers(0, 256, (test, size, size), np.uint8),
        "test_labels": (np.arange(test) % 10).astype(np.uint8),
    }


@pytest.fixture
def digits(tmp_path):
    np.savez(tmp_path / "mnist.npz", **arrays(28))
    np.savez(tmp_path / "usps.npz", **arrays(16))
    return tmp_path


@pytest.fixture
def load(digits, configure):
    def load_digits(splits=("train", "validation", "test"), **fields):
        fields = {"attr": "digit", "image_size": 32, **fields}
        return load_pair(configure(data="digits", data_dir=str(digits), **fields), splits)

    return load_digits


def test_a_pair_of_digits(load):
    pair = load(validation_fraction=0.25)
    assert pair.attribute.values == tuple("0123456789")
    assert pair.names == {"source": "mnist", "target": "usps"}
    sizes = {place: len(images) for place, images in pair.sets.items()}
    assert sizes["train", "source"] == 30
    assert sizes["validation", "target"] == 10
    assert sizes["test", "source"] == 20
    train, validation = (pair.get(split, "source").ids for split in ("train", "validation"))
    assert not set(train) & set(validation)


def test_digits_are_padded_to_32_and_left_alone_at_28(load):
    padded, plain = (load(("test",), image_size=size).get("test", "source") for size in (32, 28))
    expected = arrays(28)["test_images"]
    assert (plain.images == expected[..., None]).all()
    assert (padded.images[:, 2:-2, 2:-2] == expected[..., None]).all()
    assert padded.images[:, :2].max() == padded.images[:, :, -2:].max() == 0
    assert (padded.labels == np.arange(20) % 10).all()


def test_the_other_way_round(load):
    pair = load(domains="usps-mnist")
    assert pair.names == {"source": "usps", "target": "mnist"}


def test_colour_digits(load, digits):
    images = {
        name: np.repeat(value[..., None], 3, -1) if value.ndim == 3 else value
        for name, value in arrays(28).items()
    }
    np.savez(digits / "svhn.npz", **images)
    plain, colour = (load(("test",), domains=f"{name}-usps") for name in ("mnist", "svhn"))
    assert (plain.get("test", "source").images == colour.get("test", "source").images).all()


def test_all_missing_files_are_named(load):
    with pytest.raises(UsageError, match=r"lacks a\.npz and b\.npz.*there: mnist\.npz, usps\.npz"):
        load(domains="a-b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_labels": None}, "lacks test_labels"),
        ({"train_labels": np.arange(40)}, "train_labels must be a digit"),
        ({"train_labels": np.zeros(3, int)}, "train_labels must be a digit"),
        ({"test_images": np.zeros((20, 28, 28))}, "test_images must be uint8"),
        ({"test_images": np.zeros((20, 9, 9), np.uint8)}, "differ in shape"),
    ],
)
def test_wrong_arrays_are_named(load, digits, changes, message):
    changed = {**arrays(28), **changes}
    np.savez(digits / "mnist.npz", **{k: v for k, v in changed.items() if v is not None})
    with pytest.raises(UsageError, match=message):
        load()


def keep(digits, part):
    for name, size in (("mnist", 28), ("usps", 16)):
        kept = {key: value for key, value in arrays(size).items() if key.startswith(part)}
        np.savez(digits / f"{name}.npz", **kept)


@pytest.mark.parametrize(
    ("part", "splits"), [("test", ("test",)), ("train", ("train", "validation"))]
)
def test_arrays_of_splits_not_asked_may_be_absent(load, digits, part, splits):
    whole = load()
    keep(digits, part)
    pair = load(splits)
    assert list(pair.sets) == [(split, domain) for split in splits for domain in pair.names]
    for place, images in pair.sets.items():
        assert (images.images == whole.get(*place).images).all()
        assert (images.labels == whole.get(*place).labels).all()
        assert (images.ids == whole.get(*place).ids).all()
    other = {"test": "train", "train": "test"}[part]
    with pytest.raises(UsageError, match=f"lacks {other}_images, {other}_labels"):
        load()


def test_parts_read_alone_are_cached_apart(load):
    train, test = load(("train",)), load(("test",))
    both = load(("train", "test"))
    for pair, split in ((train, "train"), (test, "test")):
        assert (pair.get(split, "source").images == both.get(split, "source").images).all()


def test_a_damaged_file_is_named(load, digits):
    (digits / "usps.npz").write_bytes(b"PK nothing")
    with pytest.raises(UsageError, match=r"usps\.npz is damaged"):
        load()


def test_unknown_attribute(load):
    with pytest.raises(UsageError, match=r"attribute of the digits of .*Did you mean digit"):
        load(attr="digits")
