"""The command `reproduce` on a handful of street numbers and faces."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
from PIL import Image
from stand_ins import make_celeba

from cdd_keras import cli, judges, reproduce, reproduction, train
from cdd_keras.signals import exit_on_sigterm

SMALL = [
    *("--steps", "2", "--batch-size", "4", "--image-size", "16", "--channels", "2"),
    *("--discriminator-channels", "2", "--code-size", "2", "--evaluate-every", "1"),
    *("--precision", "float32"),
]


@pytest.fixture(scope="module")
def handful(tmp_path_factory):
    """SVHN's colours and MNIST's greys, as .npz files."""
    folder, draw = tmp_path_factory.mktemp("numbers"), np.random.default_rng(0)
    for name, shape in (("svhn", (32, 32, 3)), ("mnist", (28, 28))):
        arrays = {}
        for part, count in (("train", 40), ("test", 20)):
            arrays[f"{part}_images"] = draw.integers(0, 256, (count, *shape), "uint8")
            arrays[f"{part}_labels"] = np.arange(count, dtype="uint8") % 10
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Runs are trained in this process; gives the settings of those that were."""
    configs = []

    def train_here(config):
        configs.append(config)
        (tmp_path / "settings.yaml").write_text(config.to_yaml())
        return cli.main(train.run, ["--config", str(tmp_path / "settings.yaml"), "--resume"])

    monkeypatch.setattr(reproduction, "train_apart", train_here)
    monkeypatch.setenv("CDD_KERAS_CACHE", str(tmp_path / "cache"))
    for name in ("MIN_STEPS", "MAX_STEPS", "DOMAIN_STEPS"):
        monkeypatch.setattr(judges, name, 2)
    return configs


@pytest.fixture
def call(tmp_path, capsys):
    """Runs the command; gives its exit code, stdout and stderr."""

    def run(table, data, *arguments):
        words = ["--table", table, "--data-dir", data, "--out", tmp_path / "out", *arguments]
        capsys.readouterr()
        code = cli.main(reproduce.run, [str(word) for word in words])
        return code, *capsys.readouterr()

    return run


def rows(folder, table):
    tasks = json.loads((folder / f"table-{table}.json").read_text())["tasks"]
    return {row["row"]: row for row in tasks[0]["rows"]}


def test_methods_and_seeds_are_run_once_and_added_to(call, handful, trained, tmp_path):
    out = tmp_path / "out"
    asked = ("--methods", "source_only", "source_only_raw", *SMALL)
    code, page, err = call("svhn", handful, *asked, "--seeds", "2")
    assert code == 0
    assert [(one.method, one.classifier_input, one.seed) for one in trained] == [
        ("source_only", "normalised", 0),
        ("source_only", "raw", 0),
        ("source_only", "normalised", 1),
        ("source_only", "raw", 1),
    ]
    assert {one.domains for one in trained} == {"svhn-mnist"}
    assert (out / "table-svhn.md").read_text() in page
    before = rows(out, "svhn")
    assert [row["seeds"] for row in before.values()] == [[0, 1]] * 2
    assert before["source_only"]["target"]["accuracy"]["std"] is not None
    # Again, with a method that draws: what is finished stays and is shown.
    code, page, err = call("svhn", handful, "--methods", "cogan", "source_only", *SMALL)
    assert code == 0
    assert "svhn-mnist source_only seed 0: finished before" in err
    assert [one.method for one in trained[4:]] == ["cogan"]
    assert list(rows(out, "svhn")) == ["source_only_raw", "source_only", "cogan"]
    assert rows(out, "svhn")["source_only"] == before["source_only"]
    with Image.open(out / "svhn-mnist-cogan.png") as figure:
        assert figure.format == "PNG"
    assert not (out / "svhn-mnist-source_only.png").exists()
    # Other settings are another experiment.
    code, _, err = call("svhn", handful, "--methods", "cogan", *SMALL, "--steps", "3")
    assert code == 2
    assert "cogan-0 has other settings: `steps` 2 -> 3" in err


def test_all_target_images_are_measured_where_the_task_asks(call, trained, tmp_path):
    faces = make_celeba(tmp_path / "celeba")
    code, page, _ = call("1", faces, "--methods", "source_only", *SMALL)
    assert code == 0
    # One of four faces wears glasses.
    assert rows(tmp_path / "out", "1")["source_only"]["all_target"]["accuracy"] is not None
    stored = tmp_path / "out" / "runs" / "table1" / "source_only-0" / "all-target.json"
    assert json.loads(stored.read_text())["count"] == 10
    assert "All target images" in page


# -9 is of a process that the system killed, for memory perhaps.
@pytest.mark.parametrize("failure", [1, -9])
def test_a_run_that_fails_is_told_and_the_others_go_on(call, handful, failure, monkeypatch):
    monkeypatch.setattr(reproduction, "train_apart", lambda config: failure)
    code, page, err = call("digits", handful, "--methods", "cdd", "--seeds", "2")
    assert code == 1
    assert err.count(f"failed with exit code {failure}") == 4
    assert "No run is finished yet." in page


@pytest.mark.parametrize("stop", [2, 130, 143, -15])
def test_what_stops_one_run_stops_the_command(call, handful, stop, monkeypatch):
    calls = []
    monkeypatch.setattr(reproduction, "train_apart", lambda config: calls.append(config) or stop)
    assert call("digits", handful, "--methods", "cdd", "--seeds", "2")[0] == stop
    assert len(calls) == 1


SAVING = """#!/bin/sh
trap 'sleep {seconds}; echo saved > {place}; exit 143' TERM
echo $$ > {place}
while :; do sleep 0.02; done
"""


@pytest.mark.parametrize(("times", "seconds"), [(1, 0.2), (2, 5)])
def test_told_to_end_it_has_its_training_save_first_but_if_told_twice(
    times, seconds, tmp_path, monkeypatch
):
    place, training = tmp_path / "place", tmp_path / "training"
    training.write_text(SAVING.format(place=place, seconds=seconds))
    training.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(training))

    def ask():
        deadline = time.monotonic() + 60
        while not (place.is_file() and place.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    with pytest.raises(SystemExit) as caught, exit_on_sigterm():
        reproduction.train_apart(tiny.config())
    asker.join()
    assert caught.value.code == 143
    said = place.read_text()
    assert (said == "saved\n") == (times == 1)
    if times == 2:
        assert not Path("/proc", said.strip()).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "gan"], "argument --methods: invalid choice: 'gan'"),
        (["--seeds", "0"], "`--seeds` is out of range: 0."),
        (["--steps", "none"], "`--steps` has the wrong type: 'none'."),
        (["--method", "cdd"], "unknown argument '--method'. Did you mean --methods?"),
    ],
)
def test_wrong_usage_is_one_message(call, handful, arguments, message):
    code, out, err = call("digits", handful, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_folder_that_is_not_there(call, tmp_path):
    code, _, err = call("2", tmp_path / "missing")
    assert code == 2
    assert err == f"error: `--data-dir` is not a folder: {tmp_path / 'missing'}.\n"
