"""The main job's parts that a whole run does not show."""

import sys

import numpy as np
import pytest
import tiny
from stand_ins import Pair

from cdd_keras import progress, training
from cdd_keras.data.attributes import Attribute
from cdd_keras.data.sets import ImageSet
from cdd_keras.domains import DOMAINS
from cdd_keras.runs import RunFolder

GLASSES = Attribute("eyeglasses", ("no-eyeglasses", "eyeglasses"))


@pytest.fixture
def pair():
    ids = np.arange(8)
    sets = {("train", d): ImageSet(tiny.images(count=8), tiny.labels(8), ids) for d in DOMAINS}
    return Pair(GLASSES, sets)


class Interrupted:
    """A model whose training ends by Ctrl-C once its bar is there."""

    def fit(self, batches, callbacks, **settings):
        callbacks[-1].on_train_begin()
        raise KeyboardInterrupt


class Bar:
    stopped = 0

    def stop(self):
        self.stopped += 1


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
