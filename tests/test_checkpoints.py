"""Checkpoints: whole or not at all, the newest good one found."""

import errno
import os

import numpy as np
import pytest

from cdd_keras import checkpoints
from cdd_keras.config import Config
from cdd_keras.errors import CddError
from cdd_keras.files import replacing
from cdd_keras.model import CrossDomainModel


@pytest.fixture(scope="module")
def model():
    config = Config(attr="smiling", method="source_only", image_size=16, channels=2, steps=9)
    built = CrossDomainModel(config, 2)
    built.compile()
    return built


def save_at(model, folder, step):
    model.step.assign(step)
    return checkpoints.save(model, folder)


def test_the_step_and_every_weight_come_back(model, tmp_path):
    save_at(model, tmp_path, 4)
    kept = [weight.numpy() for weight in model.weights]
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape, weight.dtype))
    checkpoints.load(model, tmp_path, 4)
    for before, weight in zip(kept, model.weights, strict=True):
        np.testing.assert_array_equal(before, weight.numpy())
    assert int(model.step.numpy()) == 4


def test_means_in_the_middle_of_an_interval_come_back(model, tmp_path):
    mean = model.term_metrics["classifier/labelled"]
    for loss in (1.0, 2.0, 6.0):
        mean.update_state(loss)
    model.guard.skipped.update_state(4.0)
    model.guard.in_a_row.assign(3)
    model.guard.culprit.assign(1)
    model.seconds = 12.5
    save_at(model, tmp_path, 4)
    model.reset_metrics()
    model.guard.in_a_row.assign(0)
    model.guard.culprit.assign(0)
    model.seconds = 0.0
    checkpoints.load(model, tmp_path, 4)
    assert (float(mean.result()), float(model.guard.skipped.result())) == (3, 4)
    assert (int(model.guard.in_a_row.numpy()), int(model.guard.culprit.numpy())) == (3, 1)
    assert model.seconds == 12.5
    # The next one counts for a quarter.
    mean.update_state(7.0)
    assert float(mean.result()) == 4


def cut_off(content):
    return content[: len(content) // 2]


def flipped(content):
    """One bit of it is another: HDF5 alone would not tell."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damaged", [cut_off, flipped, lambda content: b"damaged"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(damaged, model, tmp_path):
    save_at(model, tmp_path, 2)
    newest = save_at(model, tmp_path, 5)
    newest.write_bytes(damaged(newest.read_bytes()))
    said = []
    assert checkpoints.resume(model, tmp_path, {2, 5}.__contains__, said.append) == 2
    assert len(said) == 1
    assert str(newest) in said[0]
    with pytest.raises(CddError, match="step-00000005"):
        checkpoints.load(model, tmp_path, 5)


def test_a_checkpoint_without_a_checksum_is_read_if_it_is_whole(model, tmp_path):
    path = save_at(model, tmp_path, 5)
    path.write_bytes(path.read_bytes()[:-10])
    checkpoints.load(model, tmp_path, 5)


def test_what_a_kill_left_of_a_save_is_passed_over(model, tmp_path):
    whole = save_at(model, tmp_path, 5)
    with replacing(checkpoints.path_of(tmp_path, 7)) as unfinished:
        unfinished.write_bytes(whole.read_bytes()[:100])
        assert checkpoints.steps(tmp_path) == [5]
        assert checkpoints.resume(model, tmp_path, {5}.__contains__, pytest.fail) == 5


def test_a_save_that_fails_leaves_those_before(model, tmp_path, monkeypatch):
    kept = save_at(model, tmp_path, 5)
    before = kept.read_bytes()

    def full(number):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for step in (5, 7):
        with pytest.raises(OSError, match="no space left"):
            save_at(model, tmp_path, step)
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_bytes() == before


def test_a_run_whose_checkpoints_are_all_damaged_is_not_resumed(model, tmp_path):
    checkpoints.path_of(tmp_path, 2).write_bytes(b"damaged")
    with pytest.raises(CddError, match="--overwrite"):
        checkpoints.resume(model, tmp_path, {2}.__contains__, lambda message: None)


def test_without_checkpoints_a_run_starts_at_0(model, tmp_path):
    assert checkpoints.resume(model, tmp_path / "none", {3}.__contains__, pytest.fail) == 0


def test_a_checkpoint_whose_evaluation_is_missing_is_passed_over(model, tmp_path):
    for step in (2, 4):
        save_at(model, tmp_path, step)
    assert checkpoints.resume(model, tmp_path, {2}.__contains__, pytest.fail) == 2
    assert checkpoints.resume(model, tmp_path, set().__contains__, pytest.fail) == 0


def test_pruning_keeps_the_newest_and_the_needed(model, tmp_path):
    for step in (1, 2, 3, 4):
        save_at(model, tmp_path, step)
    checkpoints.prune(tmp_path, kept=2, needed={1})
    assert checkpoints.steps(tmp_path) == [1, 3, 4]


def test_pruning_fewer_than_are_kept_deletes_nothing(tmp_path):
    for step in (1, 2):
        checkpoints.path_of(tmp_path, step).touch()
    checkpoints.prune(tmp_path, kept=3, needed=set())
    assert checkpoints.steps(tmp_path) == [1, 2]
