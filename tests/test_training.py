"""The main job's parts that a whole run does not show."""

import dataclasses
import errno
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
from stand_ins import Pair

from cdd_keras import checkpoints, progress, training
from cdd_keras.belief import Belief
from cdd_keras.data.attributes import Attribute
from cdd_keras.data.sets import ImageSet
from cdd_keras.devices import OneDevice
from cdd_keras.domains import DOMAINS, SOURCE, TARGET
from cdd_keras.errors import CddError
from cdd_keras.finite import NotFiniteError
from cdd_keras.metrics.selection import pick_label_free
from cdd_keras.model import CrossDomainModel
from cdd_keras.runs import RunFolder, evaluations

GLASSES = Attribute("eyeglasses", ("no-eyeglasses", "eyeglasses"))


@pytest.fixture
def pair():
    ids = np.arange(8)
    sets = {("train", d): ImageSet(tiny.images(count=8), tiny.labels(8), ids) for d in DOMAINS}
    return Pair(GLASSES, sets)


class Interrupted:
    """A model whose training ends by Ctrl-C once its bar is there."""

    belief = Belief(2)
    devices = OneDevice()

    def fit(self, batches, callbacks, **settings):
        (shown,) = [one for one in callbacks if isinstance(one, progress.Progress)]
        shown.on_train_begin()
        raise KeyboardInterrupt


class Bar:
    stopped = 0

    def stop(self):
        self.stopped += 1


def test_the_belief_knows_the_source_s_frequencies_before_a_step(pair, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "_make_bar", lambda steps, start: (Bar(), 0))
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int32)
    source = pair.sets["train", SOURCE]
    sets = {**pair.sets, ("train", SOURCE): dataclasses.replace(source, labels=labels)}
    model = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        training.fit(model, Pair(GLASSES, sets), tiny.config(), RunFolder(tmp_path), start=0)
    np.testing.assert_allclose(model.belief.frequencies[SOURCE], [0.75, 0.25])


def test_an_interrupted_training_stops_its_bar(pair, monkeypatch, tmp_path):
    bar = Bar()
    monkeypatch.setattr(progress, "_make_bar", lambda steps, start: (bar, 0))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(KeyboardInterrupt):
        training.fit(Interrupted(), pair, tiny.config(), RunFolder(tmp_path), start=0)
    assert bar.stopped == 1


@pytest.mark.parametrize(("resume", "said"), [(True, ["resumed at step 0"]), (False, [])])
def test_resuming_without_a_checkpoint_tells_step_0(resume, said, pair, monkeypatch, tmp_path):
    starts, lines = [], []
    monkeypatch.setattr(training, "fit", lambda *arguments: starts.append(arguments[-1]))
    monkeypatch.setattr(training, "report_run", lambda *arguments: {})
    config = tiny.config("source_only", precision="float32")
    training.train(config, pair, RunFolder(tmp_path), lines.append, resume)
    assert (starts, lines) == ([0], said)


@pytest.fixture(scope="module")
def whole_pair():
    """All splits of both domains, with images of their own."""
    sets = {}
    for number, (split, domain) in enumerate(
        (split, domain) for split in ("train", "validation", "test") for domain in DOMAINS
    ):
        ids = np.array([f"{number}-{index}" for index in range(8)])
        sets[split, domain] = ImageSet(tiny.images(number, 8), tiny.labels(8), ids)
    return Pair(GLASSES, sets)


def trained(pair, path, resume=False):
    """Trains the whole job but for the report; gives the weights of its steps 2 and 4, and rows."""
    config = tiny.config(steps=4, evaluate_every=0.5, decay_start=0.25, precision="float32")
    folder = RunFolder(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "report_run", lambda *arguments: {})
        training.train(config, pair, folder, lambda line: None, resume)
    model = CrossDomainModel(config, 2)
    model.compile()
    weights = []
    for step in (2, 4):
        checkpoints.load(model, folder.checkpoints, step)
        weights.append(tiny.values(model.variables[1:]))
    return *weights, folder.read_rows()


@pytest.fixture(scope="module")
def whole(whole_pair, tmp_path_factory):
    """`trained` in one go, and its folder."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    return *trained(whole_pair, path), path


def far_apart(weights, others):
    """Mean difference of two lists of arrays: a step that was not the same moves it by 1e-3.

    Threads that add in another order move it by less than a thousandth of that.
    """
    pairs = zip(weights, others, strict=True)
    apart = [np.abs(one.astype("float64") - two).ravel() for one, two in pairs]
    return np.concatenate(apart).mean()


def test_a_resumed_run_ends_as_if_it_had_not_been_stopped(whole_pair, whole, tmp_path):
    before, weights, rows, folder = whole
    # What a kill after the first of both checkpoints leaves, and a later row besides.
    shutil.copytree(folder, tmp_path / "resumed")
    checkpoints.path_of(RunFolder(tmp_path / "resumed").checkpoints, 4).unlink()
    _, resumed, resumed_rows = trained(whole_pair, tmp_path / "resumed", resume=True)
    assert far_apart(before, weights) > 1e-4
    assert far_apart(resumed, weights) < 1e-5
    assert [row["step"] for row in resumed_rows] == [row["step"] for row in rows] == [2, 4]
    for name, loss in rows[-1]["terms"].items():
        # Each is the mean of its own epoch, which began after the resume.
        assert resumed_rows[-1]["terms"][name] == pytest.approx(loss, rel=1e-2, abs=1e-4)


def test_target_labels_reach_neither_weights_nor_the_pick(whole_pair, whole, tmp_path):
    others = {
        (split, domain): ImageSet(
            one.images, 1 - one.labels if domain == TARGET else one.labels, one.ids
        )
        for (split, domain), one in whole_pair.sets.items()
    }
    _, weights, rows, _ = whole
    _, same, other_rows = trained(Pair(GLASSES, others), tmp_path / "other")
    assert far_apart(same, weights) < 1e-5
    assert [row["target"] for row in other_rows] != [row["target"] for row in rows]
    picks = [pick_label_free(evaluations(part))[0].step for part in (rows, other_rows)]
    assert picks[0] == picks[1]
    for row, other in zip(rows, other_rows, strict=True):
        assert other["label_free"] == pytest.approx(row["label_free"], rel=1e-2, abs=1e-4)


def test_a_disk_that_fails_is_told_with_what_is_left(tmp_path):
    folder = RunFolder(tmp_path)
    words = "Read-only file system. It has no checkpoint yet"
    with pytest.raises(CddError, match=words), training.telling_of_disk(folder):
        raise OSError(errno.EROFS, "anything")
    folder.checkpoints.mkdir()
    checkpoints.path_of(folder.checkpoints, 7).touch()
    words = f"kept in {tmp_path}: No space left on device. Its checkpoint of step 7 is whole"
    with pytest.raises(CddError, match=words), training.telling_of_disk(folder):
        raise OSError(errno.ENOSPC, "anything")


def test_numbers_gone_wrong_end_a_run_and_leave_the_last_checkpoint(
    whole_pair, monkeypatch, tmp_path
):
    settings = {"steps": 8, "evaluate_every": 0.25, "nonfinite_steps": 2, "precision": "float32"}
    config = tiny.config("source_only", **settings)
    build = training.build_model

    def build_to_diverge(*arguments):
        """From half of the run on the loss is infinite."""
        model = build(*arguments)
        (term,) = (one for one in model.recipe.players[0].terms if one.name == "labelled")
        loss = term.loss
        object.__setattr__(
            term, "loss", lambda routes: loss(routes) + tf.where(routes.progress < 0.5, 0.0, np.inf)
        )
        return model

    monkeypatch.setattr(training, "build_model", build_to_diverge)
    folder = RunFolder(tmp_path)
    with pytest.raises(NotFiniteError, match=r"^classifier/labelled is NaN .* 2 steps .* step 6\."):
        training.train(config, whole_pair, folder, lambda line: None)
    assert checkpoints.steps(folder.checkpoints) == [2, 4]
    rows = folder.read_rows()
    assert [(row["step"], row["terms"]["skipped"]) for row in rows] == [(2, 0), (4, 0)]
    assert all(np.isfinite(row["terms"]["classifier/labelled"]) for row in rows)
