"""Several devices and processes end with one device's weights, and outlive each other's deaths."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import kubernetes_validate
import numpy as np
import pytest
import tiny
import yaml
from doc_pages import ROOT, blocks

from benchmarks.killing import Training
from benchmarks.side_by_side import (
    MIRRORED,
    MULTIWORKER,
    ONE,
    arrays,
    cluster,
    environment,
    norms_apart,
    train,
)
from cdd_keras import checkpoints, cli
from cdd_keras.devices import OneDevice
from cdd_keras.strategies import open_devices
from cdd_keras.train import run
from cdd_keras.workers import VARIABLE, check_shares, read_workers

PAGE = ROOT / "docs" / "devices.md"
STEPS = 240
SMALL = [
    *("--method", "source_only", "--steps", str(STEPS), "--image-size", "16", "--channels", "2"),
    *("--synthetic-count", "60", "--batch-size", "4", "--precision", "float32"),
    *("--evaluate-every", "0.25", "--checkpoint-seconds", "0.3"),
]
# `cdd` itself takes three times as long to trace as `cdd_gan`: benchmarks/devices.py has it.
TRAININGS = dict.fromkeys(
    (ONE, MIRRORED, MULTIWORKER), ("cdd_paper-sgd-deterministic", "cdd_gan-sgd-exact_sums")
)
# Of each weight tensor's norm, relative, after 20 steps, where sums are not exact.
TOLERANCE = 1e-5
LOST = "has died or cannot be reached. Nothing that was saved is lost: start all workers again"


def documented():
    """The arguments of each worker's training on the page, without its run folder."""
    ((_, body),) = blocks(PAGE, "sh")
    lines = [shlex.split(line) for line in re.sub(r"\\\n\s*", "", body).splitlines()]
    for index, (setting, *command) in enumerate(lines):
        variable, _, text = setting.partition("=")
        assert read_workers({variable: text}).index == index
        assert command[:3] == ["python", "-m", "cdd_keras.train"]
        assert command[-2] == "--output"
    return [command[3:-2] for _, *command in lines]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Place -> folder of what `on_devices.py` left."""
    return train(tmp_path_factory.mktemp("trained"), TRAININGS)


@pytest.mark.parametrize(
    ("place", "training"),
    [(place, one) for place in (MIRRORED, MULTIWORKER) for one in TRAININGS[place]],
)
def test_several_devices_end_with_the_weights_of_one(place, training, trained):
    losses, weights = arrays(trained[ONE], training)
    others, several = arrays(trained[place], training)
    assert len(weights) > 20
    if training.endswith("-exact_sums"):
        assert tiny.equal(weights, several)
    assert norms_apart(weights, several) <= TOLERANCE
    np.testing.assert_allclose(others, losses, rtol=10 * TOLERANCE, atol=1e-6)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """One training by two workers: one of them killed, told to end, the chief killed, finished."""
    folder = tmp_path_factory.mktemp("several") / "run"
    stages = {}

    def begin(name, *flags):
        workers = []
        places = (folder, folder.with_name("other"))
        for place, config, arguments in zip(places, cluster(), documented(), strict=True):
            patch.setenv(VARIABLE, config)
            workers.append(Training([*arguments, *SMALL, *flags], place))
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


def test_a_finished_run_is_left_as_it_is_without_the_others(story, monkeypatch, capsys):
    folder = story["finished"].chief.folder.path
    monkeypatch.setenv(VARIABLE, cluster()[0])
    again = [*documented()[0], *SMALL, "--resume", "--output", str(folder)]
    assert cli.main(run, again) == 0
    assert "is finished" in capsys.readouterr().err


def test_who_is_alone_or_differs_ends(tmp_path, monkeypatch):
    """A worker that nobody joins, and two of which one has another seed."""
    monkeypatch.setenv("CDD_KERAS_CACHE", str(tmp_path))
    impatient = "import sys; from cdd_keras import cli, machines, train; "
    impatient += "machines.PATIENCE_SECONDS = 3; cli.leave(cli.main(train.run))"
    different = cluster()
    processes = []
    for config, seed in ((cluster()[0], 0), (different[0], 0), (different[1], 1)):
        flags = [*documented()[0], *SMALL, "--seed", str(seed), "--output", str(tmp_path / "run")]
        code = impatient if not processes else impatient.replace("3;", "60;")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *flags],
                env=environment(**{VARIABLE: config}),
                stderr=-1,
                text=True,
            )
        )
    texts = [process.communicate(timeout=120)[1].strip() for process in processes]
    assert [process.returncode for process in processes] == [1, 1, 2], texts
    alone, chief, other = (text.splitlines()[-1] for text in texts)
    assert "error: Not all workers have come within 3 seconds. Expected one at each of" in alone
    assert LOST in chief
    assert "Worker 1 does not have the chief's settings and images." in other


def test_a_port_that_another_program_has_is_named(tmp_path):
    (config, _), flags = cluster(), [*documented()[0], *SMALL, "--output", str(tmp_path / "run")]
    host, _, port = json.loads(config)["cluster"]["worker"][0].partition(":")
    with socket.create_server((host, int(port))):
        ended = subprocess.run(
            [sys.executable, "-m", "cdd_keras.train", *flags],
            env=environment(**{VARIABLE: config}),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert f"error: Worker 0 cannot listen at {host}:{port}: another program" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("index", [0, 1])
def test_the_kubernetes_job_of_the_page_tells_each_pod_its_place(index):
    ((_, body),) = blocks(PAGE, "yaml")
    service, job = yaml.safe_load_all(body)
    for resource in (service, job):
        kubernetes_validate.validate(resource, "1.34", strict=True)
    pod = job["spec"]["template"]["spec"]
    shell, flag, script = pod["containers"][0]["command"]
    shown = script.replace("exec python -m cdd_keras.train", 'printf "%s\\n" "$TF_CONFIG"')
    environ = {"JOB_COMPLETION_INDEX": str(index), "PATH": os.environ["PATH"]}
    said = subprocess.run(
        [shell, flag, shown], env=environ, capture_output=True, text=True, check=True
    )
    text, _, rest = said.stdout.partition("}}\n")
    workers = read_workers({VARIABLE: text + "}}"})
    assert (workers.index, workers.count) == (index, job["spec"]["completions"])
    name, port = workers.addresses[index].split(":")
    assert name == f"{job['metadata']['name']}-{index}.{pod['subdomain']}"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert int(port) == pod["containers"][0]["ports"][0]["containerPort"]
    parser = cli.Parser("train", "")
    cli.add_config_flags(parser)
    parser.add_argument("--resume", action="store_true")
    config = cli.config_from_flags(parser.parse_args(rest.split()))
    assert (config.strategy, config.output) == ("multiworker", "/runs/smiling")
    check_shares(config.batch_size, workers.count)


def test_one_device_alone_is_used_with_a_note():
    lines = []
    devices = open_devices(tiny.config(strategy="mirrored", batch_size=3), lines.append)
    assert isinstance(devices, OneDevice)
    assert lines == ["--strategy mirrored: there is one CPU only, which computes alone"]
