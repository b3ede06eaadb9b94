"""Checkpoints: whole or not at all, the newest good one found."""

import numpy as np
import pytest

from cdd_keras import checkpoints
from cdd_keras.config import Config
from cdd_keras.errors import CddError
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


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(model, tmp_path):
    save_at(model, tmp_path, 2)
    newest = save_at(model, tmp_path, 5)
    newest.write_bytes(newest.read_bytes()[:100])
    said = []
    assert checkpoints.resume(model, tmp_path, {2, 5}, said.append) == 2
    assert str(newest) in said[0]
    with pytest.raises(CddError, match="step-00000005"):
        checkpoints.load(model, tmp_path, 5)


def test_a_run_whose_checkpoints_are_all_damaged_is_not_resumed(model, tmp_path):
    checkpoints.path_of(tmp_path, 2).write_bytes(b"damaged")
    with pytest.raises(CddError, match="--overwrite"):
        checkpoints.resume(model, tmp_path, {2}, lambda message: None)


def test_without_checkpoints_a_run_starts_at_0(model, tmp_path):
    assert checkpoints.resume(model, tmp_path / "none", {3}, pytest.fail) == 0


def test_a_checkpoint_whose_evaluation_is_missing_is_passed_over(model, tmp_path):
    for step in (2, 4):
        save_at(model, tmp_path, step)
    assert checkpoints.resume(model, tmp_path, {2}, pytest.fail) == 2
    assert checkpoints.resume(model, tmp_path, set(), pytest.fail) == 0


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
