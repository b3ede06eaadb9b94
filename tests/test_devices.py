"""Several devices and processes end with one device's weights, and outlive each other's deaths."""

import json
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from doc_pages import ROOT
from on_devices import TRAININGS

from benchmarks.killing import Training
from cdd_keras import checkpoints
from cdd_keras.workers import VARIABLE

STEPS = 240
SMALL = [
    *("--attr", "eyeglasses", "--method", "source_only", "--steps", str(STEPS)),
    *("--image-size", "16", "--channels", "2", "--synthetic-count", "60", "--batch-size", "4"),
    *("--evaluate-every", "0.25", "--precision", "float32", "--checkpoint-seconds", "0.05"),
    *("--strategy", "multiworker"),
]
# Of each weight tensor's norm, relative, after 20 steps.
TOLERANCE = {"adam": 1e-3, "sgd": 1e-5}
LOST = "has died or cannot be reached. Nothing that was saved is lost: start all workers again"


def cluster(count=2):
    """A value of TF_CONFIG for each of some workers on this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(count)
    ]


def environment(**others):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3", **others}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Strategy -> folder of what `on_devices.py` left."""
    folders, processes = {}, []

    def start(strategy, cpus, **others):
        folders.setdefault(strategy, tmp_path_factory.mktemp(strategy))
        command = [sys.executable, str(ROOT / "tests/on_devices.py"), strategy, str(cpus)]
        processes.append(
            subprocess.Popen(
                [*command, str(folders[strategy])], env=environment(**others), stderr=-1, text=True
            )
        )

    start("none", 1)
    start("mirrored", 2)
    for config in cluster():
        start("multiworker", 1, **{VARIABLE: config})
    for process in processes:
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
    return folders


def arrays(folder, method, optimiser):
    with np.load(folder / f"{method}-{optimiser}.npz") as file:
        return [file[name].astype("float64") for name in file.files]


def norms_apart(first, second):
    norms = np.array([[np.linalg.norm(one) for one in pair] for pair in (first, second)])
    return np.max(np.abs(norms[0] - norms[1]) / np.maximum(norms[0], 1e-30))


@pytest.mark.parametrize("strategy", ["mirrored", "multiworker"])
@pytest.mark.parametrize(("method", "optimiser"), TRAININGS)
def test_several_devices_end_with_the_weights_of_one(strategy, method, optimiser, trained):
    losses, *weights = arrays(trained["none"], method, optimiser)
    others, *several = arrays(trained[strategy], method, optimiser)
    assert len(weights) > 20
    assert norms_apart(weights, several) <= TOLERANCE[optimiser]
    np.testing.assert_allclose(others, losses, rtol=10 * TOLERANCE[optimiser], atol=1e-6)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """One training by two workers: one of them killed, told to end, the chief killed, finished."""
    folder = tmp_path_factory.mktemp("several") / "run"
    stages = {}

    def begin(name, *flags):
        workers = []
        for place, config in zip((folder, folder.with_name("other")), cluster(), strict=True):
            patch.setenv(VARIABLE, config)
            workers.append(Training([*SMALL, *flags], place))
        stages[name] = SimpleNamespace(chief=workers[0], other=workers[1])
        return stages[name]

    def finish(stage):
        for worker in (stage.chief, stage.other):
            worker.finish()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDD_KERAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name, step, victim, number, flags in (
            ("worker killed", 40, "other", signal.SIGKILL, []),
            ("worker told to end", 90, "other", signal.SIGTERM, ["--resume"]),
            ("chief killed", 140, "chief", signal.SIGKILL, ["--resume"]),
        ):
            stage = begin(name, *flags)
            stage.chief.wait_for_step(step)
            getattr(stage, victim).process.send_signal(number)
            finish(stage)
        finish(begin("finished", "--resume"))
        again = Training([*SMALL, "--resume"], folder)
        again.finish()
        stages["again"] = SimpleNamespace(chief=again)
    return stages


def said(worker):
    return "".join(worker.lines)


def last(worker):
    return said(worker).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("stage", "victim", "survivor"),
    [("worker killed", "other", "chief"), ("chief killed", "chief", "other")],
)
def test_a_death_is_told_by_who_is_left(stage, victim, survivor, story):
    assert getattr(story[stage], victim).process.returncode == -signal.SIGKILL
    worker = getattr(story[stage], survivor)
    assert worker.process.returncode == 1
    assert last(worker).startswith("error: ")
    assert LOST in last(worker)
    assert "Traceback" not in said(worker)


def test_told_to_end_one_worker_ends_all_and_the_chief_saves(story):
    stage = story["worker told to end"]
    assert [one.process.returncode for one in (stage.chief, stage.other)] == [143, 143]
    step = story["chief killed"].chief.resumed_at
    assert f"SIGTERM: stopped at step {step}, which is saved\n" in said(stage.chief)
    assert all("--resume, on every worker" in last(one) for one in (stage.chief, stage.other))


def test_each_resume_goes_on_from_the_chiefs_checkpoint(story):
    starts = []
    for name in ("worker told to end", "chief killed", "finished"):
        assert story[name].chief.resumed_at == story[name].other.resumed_at
        starts.append(story[name].chief.resumed_at)
    assert 0 < starts[0] < starts[1] <= starts[2] < STEPS


def test_it_ends_with_all_evaluations_and_the_chief_alone_writes(story):
    stage = story["finished"]
    assert [one.process.returncode for one in (stage.chief, stage.other)] == [0, 0]
    folder = stage.chief.folder
    assert [row["step"] for row in folder.read_rows()] == [60, 120, 180, 240]
    assert checkpoints.steps(folder.checkpoints)[-1] == STEPS
    assert folder.report.is_file()
    assert not stage.other.folder.path.exists()


def test_a_finished_run_is_left_as_it_is_without_the_others(story):
    assert story["again"].chief.process.returncode == 0
    assert "is finished" in said(story["again"].chief)
