"""One training stopped in every way and gone on with, against one that was left alone."""

import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.killing import Training, digest, figures
from cdd_keras import checkpoints
from cdd_keras.files import leftovers
from cdd_keras.runs import RunFolder

STEPS = 1000
SMALL = [
    *("--attr", "eyeglasses", "--method", "source_only", "--steps", str(STEPS)),
    *("--image-size", "16", "--channels", "2", "--synthetic-count", "60", "--batch-size", "2"),
    *("--evaluate-every", "0.25", "--precision", "float32", "--checkpoint-seconds", "0.3"),
]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """What became of a training that was stopped six times, and of one that was not.

    Random moments are drawn from a seed: a step, and a part of a second after it.
    """
    draws = np.random.default_rng(13)
    moments = sorted(draws.integers(60, 500, 4))
    stages = {}

    def begin(name, *flags, **settings):
        stages[name] = Training([*SMALL, *flags], folder, **settings)
        return stages[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDD_KERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("TF_NUM_INTRAOP_THREADS")
        folder = tmp_path_factory.mktemp("runs") / "alone"
        alone = begin("alone")
        folder = folder.with_name("stopped")
        kept = RunFolder(folder).checkpoints
        for name, number, flags in (
            ("killed", signal.SIGKILL, []),
            ("terminated", signal.SIGTERM, ["--resume"]),
            ("interrupted", signal.SIGINT, ["--resume"]),
            ("killed again", signal.SIGKILL, ["--resume"]),
        ):
            training = begin(name, *flags)
            training.wait_for_step(moments.pop(0))
            time.sleep(draws.uniform(0, 0.05))
            training.end(number)
        in_a_save = begin("killed in a save", "--resume").kill_in_a_save()
        left = len(leftovers(kept))
        newest = checkpoints.path_of(kept, checkpoints.steps(kept)[-1])
        before = newest.read_bytes()
        begin("full", "--resume", limit=len(before) // 2).finish()
        untouched = newest.read_bytes() == before
        begin("finished", "--resume").finish()
        alone.finish()
    return SimpleNamespace(stages=stages, in_a_save=in_a_save, left=left, untouched=untouched)


def text(story, name):
    return "".join(story.stages[name].lines)


def code(story, name):
    return story.stages[name].process.returncode


def test_it_ends_with_the_same_weights_and_figures(story):
    alone, stopped = (story.stages[name].folder for name in ("alone", "finished"))
    assert (code(story, "alone"), code(story, "finished")) == (0, 0)
    assert digest(alone, STEPS) == digest(stopped, STEPS)
    assert len(figures(alone)) == 4
    assert figures(alone) == figures(stopped)


def test_each_resume_goes_on_from_a_later_step_and_says_so(story):
    names = ("terminated", "interrupted", "killed again", "killed in a save", "full", "finished")
    resumed = [story.stages[name].resumed_at for name in names]
    assert resumed[0] > 0
    assert resumed == sorted(resumed)
    assert any(step % (STEPS // 4) for step in resumed)


@pytest.mark.parametrize(("name", "number"), [("terminated", 143), ("interrupted", 130)])
def test_who_asks_for_the_end_is_told_how_to_go_on(name, number, story):
    stage = story.stages[name]
    assert code(story, name) == number
    after = {"terminated": "interrupted", "interrupted": "killed again"}[name]
    step = story.stages[after].resumed_at
    sign = {143: "SIGTERM", 130: "SIGINT"}[number]
    assert f"{sign}: stopped at step {step}, which is saved\n" in text(story, name)
    command = f"python -m cdd_keras.train --config {stage.folder.config} --resume"
    assert f"Go on with: {command}\n" in text(story, name)
    assert "Traceback" not in text(story, name)


def test_a_save_that_was_killed_is_passed_over_and_cleared_away(story):
    assert (story.in_a_save, story.left) == (True, 1)
    assert not leftovers(story.stages["finished"].folder.path)


def test_a_full_disk_is_told_and_leaves_the_last_checkpoint(story):
    assert code(story, "full") == 1
    assert story.untouched
    last = text(story, "full").strip().splitlines()[-1]
    step = story.stages["finished"].resumed_at
    assert last == (
        f"error: The run cannot be kept in {story.stages['full'].folder.path}: File too large. "
        f"Its checkpoint of step {step} is whole; when there is room and leave to write again, "
        "go on with --resume."
    )
