import dataclasses
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from cdd_keras.data.pairs import load_pair
from cdd_keras.data.sketch import simulate_sketch
from cdd_keras.errors import UsageError

PLACES = [(split, domain) for split in ("train", "validation") for domain in ("source", "target")]


@pytest.fixture
def load(celeba, configure):
    def load_celeba(splits=("train", "validation", "test"), **fields):
        config = configure(data="celeba", data_dir=str(celeba))
        # Past the configuration's own checks.
        config = SimpleNamespace(**{**dataclasses.asdict(config), **fields})
        return load_pair(config, splits)

    return load_celeba


def ids(pair, split, domain):
    return set(pair.get(split, domain).ids.tolist())


def test_sketches_and_photos_show_different_faces(load):
    pair = load()
    assert pair.names == {"source": "sketch", "target": "photo"}
    everyone = [name for place in PLACES for name in ids(pair, *place)]
    assert len(everyone) == len(set(everyone)) == 32
    assert [len(pair.get(*place)) for place in PLACES] == [12, 12, 4, 4]
    assert ids(pair, "test", "source") == ids(pair, "test", "target")


def test_the_source_is_drawn_from_its_photos(load):
    pair = load(sketch_style="shaded", sketch_shade=0.5)
    sketches, photos = (pair.get("test", domain).images for domain in ("source", "target"))
    assert (sketches == simulate_sketch(photos, 0.5).numpy()).all()
    lines = load(sketch_style="lines").get("test", "source").images
    assert (lines == simulate_sketch(photos, 0.0).numpy()).all()


def test_photo_to_sketch(load):
    forth, back = load(), load(domains="photo-sketch")
    assert back.names == {"source": "photo", "target": "sketch"}
    assert ids(back, "train", "source") == ids(forth, "train", "source")
    photos, sketches = (back.get("test", domain).images for domain in ("source", "target"))
    assert (sketches == forth.get("test", "source").images).all()
    assert (photos == forth.get("test", "target").images).all()


def test_labels_belong_to_their_images(load):
    pair = load()
    for images in pair.sets.values():
        assert [int(name[:6]) % 2 for name in images.ids] == images.labels.tolist()
        assert images.images.dtype == np.uint8
        assert images.labels.dtype == np.int32


def test_without_and_with(load):
    pair = load(domains="without-with:eyeglasses")
    assert pair.names == {"source": "without-eyeglasses", "target": "with-eyeglasses"}
    for (_, domain), images in pair.sets.items():
        glasses = [int(name[:6]) % 4 == 1 for name in images.ids]
        assert all(glasses) if domain == "target" else not any(glasses)
    assert len(pair.get("train", "source")) == 18
    assert len(pair.get("test", "target")) == 2


def write_people(celeba, person):
    lines = [f"{i:06d}.jpg {person(i)}\n" for i in range(1, 41)]
    (celeba / "identity_CelebA.txt").write_text("".join(lines))


@pytest.mark.parametrize("domains", ["sketch-photo", "without-with:Eyeglasses"])
def test_no_person_is_on_both_sides_or_in_two_splits(load, celeba, domains):
    # Persons 1..8 have three photos in a row; some are in two splits.
    def person(i):
        return (i + 1) // 3

    write_people(celeba, person)
    pair = load(domains=domains)
    people = [{person(int(name[:6])) for name in ids(pair, *place)} for place in PLACES]
    assert sum(map(len, people)) == len(set().union(*people))
    test = {person(int(name[:6])) for name in ids(pair, "test", "source")}
    assert not test & set().union(*people)
    assert len(pair.get("test", "source")) == (8 if domains == "sketch-photo" else 6)


def test_only_the_splits_asked_are_loaded(load):
    assert set(load(("test",)).sets) == {("test", "source"), ("test", "target")}


def test_at_most_so_many_training_images(load):
    pair = load(train_limit=5)
    assert [len(pair.get(*place)) for place in PLACES] == [5, 5, 4, 4]
    assert ids(load(train_limit=4), "train", "source") < ids(pair, "train", "source")


def test_the_second_time_nothing_is_decoded(load, celeba, monkeypatch):
    first = load()
    monkeypatch.setattr("cdd_keras.data.storage.decode_image", None)
    second = load()
    for place, images in first.sets.items():
        assert (second.get(*place).images == images.images).all()


def spoil(celeba, *numbers):
    for number in numbers:
        (celeba / "img_align_celeba" / f"{number:06d}.jpg").write_bytes(b"nothing")


def test_images_that_cannot_be_read_are_skipped(load, celeba, caplog):
    whole = load()
    spoil(celeba, 4, 40)
    for _ in range(2):
        caplog.clear()
        pair = load()
        assert [record.getMessage() for record in caplog.records] == [
            f"skipped: {celeba}/img_align_celeba/{number:06d}.jpg is not an image "
            "(JPEG, PNG, WebP, GIF or BMP)."
            for number in (4, 40)
        ] + ["skipped in all: 2"]
        for place, images in pair.sets.items():
            kept = ~np.isin(whole.get(*place).ids, ["000004.jpg", "000040.jpg"])
            assert (images.ids == whole.get(*place).ids[kept]).all()
            assert (images.labels == whole.get(*place).labels[kept]).all()
            assert (images.images == whole.get(*place).images[kept]).all()
    assert sum(len(images) for images in pair.sets.values()) == 40 + 8 - 1 - 2


def test_images_in_a_damaged_part_of_a_zip_are_skipped(load, celeba, caplog):
    with zipfile.ZipFile(celeba / "img_align_celeba.zip", "w") as archive:
        for path in sorted((celeba / "img_align_celeba").iterdir()):
            archive.write(path, path.name)
        offset = archive.getinfo("000040.jpg").header_offset
    shutil.rmtree(celeba / "img_align_celeba")
    with (celeba / "img_align_celeba.zip").open("r+b") as file:
        file.seek(offset + 200)
        file.write(bytes(50))
    assert len(load(("test",)).get("test", "target")) == 7
    assert "img_align_celeba.zip/000040.jpg is damaged" in caplog.text


def test_a_split_of_which_nothing_can_be_read(load, celeba):
    spoil(celeba, *range(33, 41))
    with pytest.raises(UsageError, match=r"test split of the source domain .* is empty"):
        load()


def test_values_of_which_nothing_can_be_read(load, celeba):
    spoil(celeba, *range(1, 25, 2))
    with pytest.raises(UsageError, match="have the same Smiling: no-smiling"):
        load()


def test_what_is_skipped_is_told_on_stderr(celeba):
    spoil(celeba, 33)
    program = (
        "from cdd_keras import cli; cli.load_tensorflow()\n"
        "from cdd_keras.config import Config; from cdd_keras.data import load_pair\n"
        f"load_pair(Config(attr='smiling', data='celeba', data_dir={str(celeba)!r}), ('test',))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")
    first, last = result.stderr.splitlines()
    assert first.startswith("skipped: ")
    assert "000033.jpg is not an image" in first
    assert last == "skipped in all: 1"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attr": "smilin"}, "`attr` names no attribute of CelebA in .*Did you mean Smiling"),
        ({"domains": "without-with:glasses"}, "`domains` names no attribute of CelebA"),
        ({"domains": "mnist-usps"}, "`domains` does not fit the data: 'mnist-usps'"),
        ({"domains": "sketch"}, "Expected one of sketch-photo, photo-sketch, without-with:ATTR"),
        ({"image_size": 30}, "`image_size` must be a multiple of 4"),
        ({"data": "faces"}, "`data` is unknown: 'faces'"),
        ({"attr": "wearing-hat"}, "same Wearing_Hat: no-wearing-hat"),
        ({"domains": "without-with:Wearing_Hat"}, "train split of the target domain .* is empty"),
        ({"attr": "eyeglasses", "domains": "without-with:eyeglasses"}, "have the same Eyeglasses"),
    ],
)
def test_what_does_not_fit_is_said(load, fields, message):
    with pytest.raises(UsageError, match=message):
        load(**fields)


def test_an_empty_split_is_named(load, celeba):
    path = celeba / "list_eval_partition.txt"
    path.write_text(path.read_text().replace(" 1\n", " 0\n"))
    with pytest.raises(UsageError, match=r"validation split of the source domain .* is empty"):
        load()
    assert len(load(("train", "test")).sets) == 4


def test_two_sets_of_names_for_one_set_of_digits(configure, tmp_path):
    folders = {"data_dir": str(tmp_path), "target_dir": str(tmp_path / "x")}
    config = configure(data="folder", domains="a-b", **folders)
    with pytest.raises(UsageError, match="`target_dir` does not exist"):
        load_pair(config)
