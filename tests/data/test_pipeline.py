import os

import numpy as np
import pytest
import tensorflow as tf

from cdd_keras.data import pipeline
from cdd_keras.data.pipeline import training_batches
from cdd_keras.data.sets import ImageSet
from cdd_keras.errors import UsageError


def numbered(count, labels=None, first=0):
    """Images that tell their index: pixel values first, first + 1, ..."""
    values = np.arange(first, first + count, dtype=np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (count, 4, 4, 3)).copy()
    labels = None if labels is None else np.asarray(labels, np.int32)
    return ImageSet(images, labels, values.astype(str))


SOURCE = numbered(20, np.arange(20) % 3 > 0)
TARGET = numbered(14, np.zeros(14), first=100)


def take(count, source=SOURCE, target=TARGET, **options):
    """(source indices, labels, target indices) of the first batches, (count, batch)."""
    batches = training_batches(source, target, **{"batch_size": 8, "seed": 3, **options})
    rows = [
        (images[:, 0, 0, 0], labels, others[:, 0, 0, 0])
        for (images, labels), others in batches.take(count).as_numpy_iterator()
    ]
    return [np.stack(part) for part in zip(*rows, strict=True)]


def test_shapes_are_static():
    (images, labels), others = training_batches(SOURCE, TARGET, batch_size=8, seed=0).element_spec
    assert images.shape == others.shape == (8, 4, 4, 3)
    assert labels.shape == (8,)
    assert images.dtype == others.dtype == "uint8"
    assert labels.dtype == "int32"


def test_every_image_comes_once_an_epoch():
    source, labels, target = take(35)
    assert (np.sort(source.reshape(-1, 20)) == np.arange(20)).all()
    assert (np.sort(target.reshape(-1, 14)) == np.arange(100, 114)).all()
    assert (labels == SOURCE.labels[source]).all()


def test_epochs_domains_and_seeds_have_orders_of_their_own():
    same = numbered(20, np.arange(20) % 2)
    source, _, target = take(5, same, same)
    other, _, _ = take(5, same, same, seed=4)
    first, second = source.ravel()[:20], source.ravel()[20:]
    assert (first != second).any()
    assert (first != target.ravel()[:20]).any()
    assert (first != other.ravel()[:20]).any()


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_later_start_sees_the_same_batches(step, balanced):
    whole = take(step + 3, balanced=balanced)
    later = take(3, balanced=balanced, start_step=step)
    for ours, theirs in zip(later, whole, strict=True):
        assert (ours == theirs[step:]).all()


def test_balanced_classes_come_equally_often():
    rare = numbered(50, np.arange(50) % 10 == 0)
    source, labels, target = take(25, rare, balanced=True)
    assert (labels.sum(1) == 4).all()
    assert (labels == rare.labels[source]).all()
    counts = np.bincount(source.ravel(), minlength=50)
    assert (counts[rare.labels == 1] == 20).all()
    assert counts[rare.labels == 0].min() >= 2
    assert (target == take(25, rare)[2]).all()


def test_a_batch_may_be_larger_than_the_set():
    source, _, _ = take(1, batch_size=64)
    counts = np.bincount(source.ravel())
    assert len(counts) == 20
    assert set(counts) <= {3, 4}


@pytest.mark.parametrize("before", [0, 3])
def test_a_large_set_stays_on_the_disk(monkeypatch, tmp_path, before):
    np.save(tmp_path / "images.npy", np.concatenate([SOURCE.images[:before], SOURCE.images]))
    # Without anything before it the whole map; else a part, whose place in the file is unknown.
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    mapped = mapped[before:] if before else mapped
    expected = take(4)
    monkeypatch.setattr(pipeline, "_IN_MEMORY", 100)
    disk = ImageSet(mapped, SOURCE.labels, SOURCE.ids)
    spec = training_batches(disk, TARGET, batch_size=8, seed=3).element_spec
    assert spec[0][0].shape == (8, 4, 4, 3)
    for ours, theirs in zip(take(4, disk), expected, strict=True):
        assert (ours == theirs).all()


def test_a_file_that_was_cut_is_named(monkeypatch, tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, SOURCE.images)
    monkeypatch.setattr(pipeline, "_IN_MEMORY", 100)
    disk = ImageSet(np.load(path, mmap_mode="r"), SOURCE.labels, SOURCE.ids)
    os.truncate(path, 200)
    with pytest.raises(tf.errors.UnknownError, match=r"images\.npy is shorter than it was"):
        take(4, disk)


def test_target_labels_do_not_move_anything():
    permuted = ImageSet(TARGET.images, np.arange(14, dtype=np.int32), TARGET.ids)
    hidden = ImageSet(TARGET.images, None, TARGET.ids)
    for options in ({}, {"balanced": True}):
        for other in (permuted, hidden):
            for ours, theirs in zip(
                take(5, target=other, **options), take(5, **options), strict=True
            ):
                assert (ours == theirs).all()


def test_the_oracle_sees_target_labels():
    labelled = numbered(14, np.arange(14) % 2, first=100)
    batches = training_batches(
        SOURCE, labelled, batch_size=8, seed=3, with_target_labels=True
    ).take(3)
    plain = take(3, target=labelled)[2]
    for row, (_, (images, labels)) in enumerate(batches.as_numpy_iterator()):
        assert (images[:, 0, 0, 0] == plain[row]).all()
        assert (labels == labelled.labels[images[:, 0, 0, 0] - 100]).all()


def test_absent_labels_are_named():
    with pytest.raises(UsageError, match="source images have no labels"):
        training_batches(numbered(4), TARGET, batch_size=2, seed=0)
    with pytest.raises(UsageError, match="target images have no labels"):
        training_batches(SOURCE, numbered(4), batch_size=2, seed=0, with_target_labels=True)
